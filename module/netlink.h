/* SPDX-License-Identifier: GPL-2.0 */
/* netlink: configuration, status and events over generic netlink. */
#ifndef _FORKGUARD_NETLINK_H
#define _FORKGUARD_NETLINK_H

#include "device.h"

void netlink_tell_reset(struct fg_device *device, enum forkguard_reset_cause cause,
			unsigned int peers, const u8 *only_peer);
int netlink_init(bool replace_wireguard);
void netlink_exit(bool replace_wireguard);

#endif /* _FORKGUARD_NETLINK_H */
