/* SPDX-License-Identifier: GPL-2.0 */
/* peer: who may speak through a device, and how long it lives. */
#ifndef _FORKGUARD_PEER_H
#define _FORKGUARD_PEER_H

#include "tunnel.h"

extern const struct noise_owner_ops peer_owner_ops;

/* Logs, if switched on by dynamic debug, what a peer does or what happens to it. */
#define fwg_peer_debug(peer, format, ...)                                                          \
	do {                                                                                       \
		struct fwg_peer *_peer = (peer);                                                   \
		net_dbg_ratelimited("%s: peer %llu (%pISpfsc): " format, _peer->device->dev->name, \
				    _peer->id,                                                     \
				    &fwg_path_get(&_peer->path, &(struct endpoint){})->addr,       \
				    ##__VA_ARGS__);                                                \
	} while (0)

struct fwg_peer *fwg_peer_create(struct fwg_device *device,
				 const u8 public_key[NOISE_PUBLIC_KEY_LEN], const u8 *psk);
bool __must_check fwg_peer_hold(struct fwg_peer *peer);
void fwg_peer_put(struct fwg_peer *peer);
int __must_check fwg_peer_publish(struct fwg_peer *peer);
void fwg_peer_unlink(struct fwg_peer *peer, struct list_head *ips, struct list_head *removed);
void fwg_peer_finish_removal(struct list_head *removed);
void fwg_peer_remove_all(struct fwg_device *device);
void fwg_peer_count_received(struct fwg_peer *peer, size_t len);
void fwg_peer_purge(struct fwg_peer *peer);
void fwg_peer_quiesce(struct fwg_peer *peer);
bool fwg_peer_reset(struct fwg_peer *peer, unsigned int *live);

#endif /* _FORKGUARD_PEER_H */
