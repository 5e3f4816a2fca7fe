/* SPDX-License-Identifier: GPL-2.0 */
/* device: the tunnel as a network interface. */
#ifndef _FORKGUARD_DEVICE_H
#define _FORKGUARD_DEVICE_H

#include <linux/types.h>
#include <uapi/linux/forkguard.h>

struct net_device;

bool fwg_device_is_forkguard(const struct net_device *dev);
void fwg_device_reset(enum forkguard_reset_cause cause, bool wait);
int fwg_device_init(bool replace_wireguard);
void fwg_device_exit(bool replace_wireguard);

#endif /* _FORKGUARD_DEVICE_H */
