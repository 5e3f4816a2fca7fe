/* SPDX-License-Identifier: GPL-2.0 */
/* netlink_parts: what only the files of netlink share. */
#ifndef _FORKGUARD_NETLINK_PARTS_H
#define _FORKGUARD_NETLINK_PARTS_H

#include <net/genetlink.h>
#include <uapi/linux/forkguard.h>

struct fwg_device;

/* netlink.c */
struct fwg_device *fwg_netlink_find_device(struct net *net, struct nlattr *const *attrs,
					   struct netlink_ext_ack *extack);
const struct genl_family *fwg_netlink_family_of(const struct netlink_callback *cb);
bool fwg_netlink_for_wireguard(const struct netlink_callback *cb);
int fwg_netlink_put_generation(struct sk_buff *skb, const struct net *net);

/* netlink_dump.c */
int fwg_netlink_dump_start(struct netlink_callback *cb);
int fwg_netlink_dump(struct sk_buff *skb, struct netlink_callback *cb);
int fwg_netlink_dump_done(struct netlink_callback *cb);

/* netlink_set.c */
extern const struct nla_policy fwg_netlink_device_policy[FORKGUARD_DEVICE_A_MAX + 1];
int fwg_netlink_set_device(struct sk_buff *skb, struct genl_info *info);

#endif /* _FORKGUARD_NETLINK_PARTS_H */
