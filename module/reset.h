/* SPDX-License-Identifier: GPL-2.0 */
/* reset: wipes the stale secrets of a device and its peers, in bounded steps. */
#ifndef _FORKGUARD_RESET_H
#define _FORKGUARD_RESET_H

#include "tunnel.h"

/**
 * typedef reset_event_fn - a reset of a device is done
 * @device: the device
 * @cause: why
 * @peers: the number of peers whose secrets were wiped
 * @only_peer: the public key, if one peer was reset; otherwise NULL
 *
 * Called in an RCU read-side critical section.
 */
typedef void (*reset_event_fn)(struct fwg_device *device, enum forkguard_reset_cause cause,
			       unsigned int peers, const u8 *only_peer);

void fwg_reset_init(reset_event_fn event);

void fwg_reset_prepare(struct fwg_device *device);
void fwg_reset_queue(struct fwg_device *device, enum forkguard_reset_cause cause);
void fwg_reset_wait(struct fwg_device *device);
void fwg_reset_stop(struct fwg_device *device);

void fwg_reset_force_device(struct fwg_device *device);
void fwg_reset_force_peer(struct fwg_peer *peer);
struct fwg_reset_record fwg_reset_last(struct fwg_device *device);

#endif /* _FORKGUARD_RESET_H */
