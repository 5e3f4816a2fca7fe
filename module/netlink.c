// SPDX-License-Identifier: GPL-2.0
/*
 * netlink: the generic netlink family, see <linux/forkguard.h>: its operations,
 * resets, and events. The configuration is in netlink_set.c, its dump in
 * netlink_dump.c.
 */

#include "netlink.h"
#include "compat.h"
#include "device.h"
#include "generation.h"
#include "netlink_parts.h"
#include "peer.h"
#include "reset.h"

#include <linux/random.h>
#include <linux/wireguard.h>
#include <net/genetlink.h>
#include <net/netns/generic.h>

static struct genl_family family, wireguard_family;

/* A salt for tags, so that two namespaces can't tell from them that they share a machine. */
struct fwg_net {
	u8 tag_salt[GENERATION_SALT_LEN];
};

static unsigned int net_id;

/**
 * fwg_netlink_find_device() - find the device that a message names
 * @net: the namespace to search
 * @attrs: attributes of the message
 * @extack: gets the error message
 *
 * Context: process.
 * Return: the device, with a reference on its interface; or an error pointer.
 */
struct fwg_device *fwg_netlink_find_device(struct net *net, struct nlattr *const *attrs,
					   struct netlink_ext_ack *extack)
{
	const struct nlattr *index = attrs[FORKGUARD_DEVICE_A_IFINDEX];
	const struct nlattr *name = attrs[FORKGUARD_DEVICE_A_IFNAME];
	struct net_device *dev;

	if (!index == !name) {
		NL_SET_ERR_MSG(extack, "give either the index or the name of the interface");
		return ERR_PTR(-EBADR);
	}
	dev = index ? dev_get_by_index(net, nla_get_u32(index)) :
		      dev_get_by_name(net, nla_data(name));
	if (!dev) {
		NL_SET_ERR_MSG_ATTR(extack, index ?: name, "no such interface");
		return ERR_PTR(-ENODEV);
	}
	if (!fwg_device_is_forkguard(dev)) {
		dev_put(dev);
		NL_SET_ERR_MSG_ATTR(extack, index ?: name, "not a forkguard interface");
		return ERR_PTR(-EOPNOTSUPP);
	}
	return netdev_priv(dev);
}

/**
 * fwg_netlink_family_of() - the family by which a dump was requested
 * @cb: the dump
 */
const struct genl_family *fwg_netlink_family_of(const struct netlink_callback *cb)
{
	return fwg_netlink_for_wireguard(cb) ? &wireguard_family : &family;
}

/**
 * fwg_netlink_for_wireguard() - was a dump requested by WireGuard's family?
 * @cb: the dump
 *
 * Such a dump has the attributes that WireGuard's has, and no others.
 */
bool fwg_netlink_for_wireguard(const struct netlink_callback *cb)
{
	return cb->nlh->nlmsg_type == wireguard_family.id;
}

/**
 * fwg_netlink_put_generation() - put the running generation into a message
 * @skb: the message
 * @net: the namespace of its receiver
 *
 * Context: any but hard interrupts.
 * Return: 0 or -EMSGSIZE.
 */
int fwg_netlink_put_generation(struct sk_buff *skb, const struct net *net)
{
	const struct fwg_net *own = net_generic(net, net_id);
	struct nlattr *nest = nla_nest_start(skb, FORKGUARD_DEVICE_A_GENERATION);
	u8 tag[FORKGUARD_GENERATION_TAG_LEN];

	if (!nest || nla_put_u32(skb, FORKGUARD_GENERATION_A_SOURCE, fwg_generation_source()) ||
	    nla_put_u32(skb, FORKGUARD_GENERATION_A_CHECK, fwg_generation_check()) ||
	    (fwg_generation_tag(own->tag_salt, tag) &&
	     nla_put(skb, FORKGUARD_GENERATION_A_TAG, sizeof(tag), tag)) ||
	    nla_put_u64_64bit(skb, FORKGUARD_GENERATION_A_FORKS, fwg_generation_forks(),
			      FORKGUARD_GENERATION_A_PAD))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int fwg_reset(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *key = info->attrs[FORKGUARD_DEVICE_A_PEER_KEY];
	struct fwg_device *device;
	struct fwg_peer *peer;
	int err = 0;

	device = fwg_netlink_find_device(genl_info_net(info), info->attrs, info->extack);
	if (IS_ERR(device))
		return PTR_ERR(device);
	if (!key) {
		fwg_reset_force_device(device);
		goto out;
	}
	peer = fwg_noise_peer_find(device->noise, nla_data(key));
	if (!peer) {
		NL_SET_ERR_MSG_ATTR(info->extack, key, "no such peer");
		err = -ENOENT;
		goto out;
	}
	fwg_reset_force_peer(peer);
	fwg_peer_put(peer);
out:
	dev_put(device->dev);
	return err;
}

static int fwg_get_generation(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *reply = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *hdr;

	if (!reply)
		return -ENOMEM;
	hdr = genlmsg_put_reply(reply, info, &family, 0, FORKGUARD_CMD_GET_GENERATION);
	if (!hdr || fwg_netlink_put_generation(reply, genl_info_net(info))) {
		nlmsg_free(reply);
		return -EMSGSIZE;
	}
	genlmsg_end(reply, hdr);
	return genlmsg_reply(reply, info);
}

/**
 * fwg_netlink_tell_reset() - send the event of a reset
 * @device: the device
 * @cause: why
 * @peers: the number of peers whose secrets were wiped
 * @only_peer: the public key, if one peer was reset; otherwise NULL
 *
 * Context: RCU read-side critical section.
 */
void fwg_netlink_tell_reset(struct fwg_device *device, enum forkguard_reset_cause cause,
			    unsigned int peers, const u8 *only_peer)
{
	struct net *net = dev_net(device->dev);
	struct sk_buff *skb;
	void *hdr;

	if (!genl_has_listeners(&family, net, 0))
		return;
	skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_ATOMIC);
	if (!skb)
		return;
	hdr = genlmsg_put(skb, 0, 0, &family, 0, FORKGUARD_CMD_RESET_EVENT);
	if (!hdr || nla_put_u32(skb, FORKGUARD_DEVICE_A_IFINDEX, device->dev->ifindex) ||
	    nla_put_string(skb, FORKGUARD_DEVICE_A_IFNAME, device->dev->name) ||
	    fwg_netlink_put_generation(skb, net) ||
	    nla_put_u32(skb, FORKGUARD_DEVICE_A_RESET_CAUSE, cause) ||
	    nla_put_u32(skb, FORKGUARD_DEVICE_A_RESET_PEERS, peers) ||
	    (only_peer &&
	     nla_put(skb, FORKGUARD_DEVICE_A_PEER_KEY, NOISE_PUBLIC_KEY_LEN, only_peer))) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, hdr);
	genlmsg_multicast_netns(&family, net, skb, 0, 0, GFP_ATOMIC);
}

/* WireGuard has the first two. */
static const struct genl_ops ops[] = {
	{
		.cmd = FORKGUARD_CMD_GET_DEVICE,
		.flags = GENL_UNS_ADMIN_PERM,
		.start = fwg_netlink_dump_start,
		.dumpit = fwg_netlink_dump,
		.done = fwg_netlink_dump_done,
	},
	{
		.cmd = FORKGUARD_CMD_SET_DEVICE,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = fwg_netlink_set_device,
	},
	{
		.cmd = FORKGUARD_CMD_RESET,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = fwg_reset,
	},
	{
		.cmd = FORKGUARD_CMD_GET_GENERATION,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = fwg_get_generation,
	},
};

static const struct genl_multicast_group groups[] = {
	{ .name = FORKGUARD_GENL_MCGRP_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

static struct genl_family family __ro_after_init = {
	.name = FORKGUARD_GENL_NAME,
	.version = FORKGUARD_GENL_VERSION,
	.maxattr = FORKGUARD_DEVICE_A_MAX,
	.policy = fwg_netlink_device_policy,
	.netnsok = true,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	/* The reset of a device with many peers takes long, and must not delay other commands. */
	.parallel_ops = true,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

/* WireGuard's own family, with only WireGuard's commands and attributes. */
static struct genl_family wireguard_family __ro_after_init = {
	.name = WG_GENL_NAME,
	.version = WG_GENL_VERSION,
	.maxattr = FORKGUARD_DEVICE_A_PEERS,
	.policy = fwg_netlink_device_policy,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = FORKGUARD_CMD_SET_DEVICE + 1,
	.resv_start_op = FORKGUARD_CMD_SET_DEVICE + 1,
};

static int __net_init fwg_net_init(struct net *net)
{
	struct fwg_net *own = net_generic(net, net_id);

	get_random_bytes(own->tag_salt, sizeof(own->tag_salt));
	return 0;
}

static struct pernet_operations pernet_ops = {
	.init = fwg_net_init,
	.id = &net_id,
	.size = sizeof(struct fwg_net),
};

/**
 * fwg_netlink_init() - register the generic netlink family
 * @replace_wireguard: also register WireGuard's
 *
 * Context: process.
 * Return: 0 or a negative error; -EEXIST if WireGuard itself is loaded.
 */
int __init fwg_netlink_init(bool replace_wireguard)
{
	int err;

	err = register_pernet_subsys(&pernet_ops);
	if (err)
		return err;
	err = genl_register_family(&family);
	if (err)
		goto err_pernet;
	if (replace_wireguard) {
		err = genl_register_family(&wireguard_family);
		if (err)
			goto err_family;
	}
	return 0;

err_family:
	genl_unregister_family(&family);
err_pernet:
	unregister_pernet_subsys(&pernet_ops);
	return err;
}

/**
 * fwg_netlink_exit() - unregister the family
 * @replace_wireguard: as it was for fwg_netlink_init()
 *
 * Context: process.
 */
void fwg_netlink_exit(bool replace_wireguard)
{
	if (replace_wireguard)
		genl_unregister_family(&wireguard_family);
	genl_unregister_family(&family);
	unregister_pernet_subsys(&pernet_ops);
}
