/* SPDX-License-Identifier: GPL-2.0 */
/* netlink: configuration, status and events over generic netlink. */
#ifndef _FORKGUARD_NETLINK_H
#define _FORKGUARD_NETLINK_H

#include <linux/types.h>
#include <uapi/linux/forkguard.h>

struct fwg_device;

void fwg_netlink_tell_reset(struct fwg_device *device, enum forkguard_reset_cause cause,
			    unsigned int peers, const u8 *only_peer);
int fwg_netlink_init(bool replace_wireguard);
void fwg_netlink_exit(bool replace_wireguard);

#endif /* _FORKGUARD_NETLINK_H */
