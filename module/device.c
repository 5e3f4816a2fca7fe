// SPDX-License-Identifier: GPL-2.0
/* device: the network interface and its link operations; resets of all interfaces. */

#include "device.h"
#include "answer.h"
#include "compat.h"
#include "drops.h"
#include "generation.h"
#include "peer.h"
#include "receive.h"
#include "reset.h"
#include "send.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_arp.h>
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/klist.h>
#include <linux/wireguard.h>
#include <net/addrconf.h>
#include <net/dst_metadata.h>
#include <net/icmp.h>
#include <net/ip_tunnels.h>
#include <net/rtnetlink.h>

#define OVERHEAD (sizeof(struct message_data) + NOISE_TAG_LEN + sizeof(struct udphdr))

/* All devices. A walk over them may sleep: the klist keeps the device that it is at. */
static DEFINE_KLIST(devices, NULL, NULL);

static struct fwg_device *fwg_of_node(struct klist_node *node)
{
	return container_of(node, struct fwg_device, node);
}

static int fwg_open(struct net_device *dev)
{
	struct in_device *in4 = __in_dev_get_rtnl(dev);
	struct inet6_dev *in6 = __in6_dev_get(dev);
	struct fwg_device *device = netdev_priv(dev);
	struct fwg_peer *peer;
	int err;

	if (in4) {
		/* Redirects make no sense where there is no link layer. */
		IN_DEV_CONF_SET(in4, SEND_REDIRECTS, false);
		IPV4_DEVCONF_ALL(dev_net(dev), SEND_REDIRECTS) = false;
	}
	if (in6)
		in6->cnf.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;

	fwg_inbound_open(&device->inbound);
	mutex_lock(&device->lock);
	err = fwg_sockets_open(&device->sockets, device->sockets.port);
	if (!err) {
		list_for_each_entry(peer, &device->peers, list) {
			fwg_send_staged(peer);
			if (peer->timers.keepalive_interval)
				fwg_send_keepalive(peer);
		}
	}
	mutex_unlock(&device->lock);
	if (err)
		fwg_inbound_close(&device->inbound);
	return err;
}

static int fwg_stop(struct net_device *dev)
{
	struct fwg_device *device = netdev_priv(dev);
	struct fwg_peer *peer;

	/* Waits for a grace period. As netif_running() is false, no timer is armed after it. */
	fwg_sockets_close(&device->sockets);
	fwg_inbound_close(&device->inbound);
	skb_queue_purge(&device->handshakes);
	cancel_work_sync(&device->handshake_work);
	mutex_lock(&device->lock);
	list_for_each_entry(peer, &device->peers, list)
		fwg_peer_quiesce(peer);
	mutex_unlock(&device->lock);
	return 0;
}

static void fwg_refuse(struct sk_buff *skb, int icmp4, int icmp6)
{
	if (skb->protocol == htons(ETH_P_IP))
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, icmp4, 0);
	else if (skb->protocol == htons(ETH_P_IPV6))
		icmpv6_ndo_send(skb, ICMPV6_DEST_UNREACH, icmp6, 0);
}

/* Segment a packet to fit the tunnel. The skb is consumed unless an error is returned. */
static int fwg_segment(struct fwg_device *device, struct sk_buff *skb, struct sk_buff_head *packets)
{
	struct sk_buff *segs, *next;
	u32 mtu = skb_valid_dst(skb) ? dst_mtu(skb_dst(skb)) : READ_ONCE(skb->dev->mtu);
	u8 ds = ip_tunnel_ecn_encap(0, ip_hdr(skb), skb);

	segs = skb;
	if (skb_is_gso(skb)) {
		segs = skb_gso_segment(skb, 0);
		if (IS_ERR(segs))
			return PTR_ERR(segs);
		consume_skb(skb);
	}
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		skb = skb_share_check(skb, GFP_ATOMIC);
		if (unlikely(!skb)) {
			fwg_drops_count(device, FORKGUARD_DROP_A_TX_NO_MEMORY);
			DEV_STATS_INC(device->dev, tx_errors);
			continue;
		}
		/* The route belongs to the inner packet. */
		skb_dst_drop(skb);
		*SEND_CB(skb) = (struct send_cb){ .mtu = mtu, .ds = ds };
		__skb_queue_tail(packets, skb);
	}
	return 0;
}

static netdev_tx_t fwg_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct fwg_device *device = netdev_priv(dev);
	enum forkguard_drop reason;
	struct sk_buff_head packets;
	struct fwg_peer *peer;
	int err;

	/* Packet sockets may leave the protocol unset. */
	if (unlikely(!skb->protocol))
		skb->protocol = ip_tunnel_parse_protocol(skb);
	if (unlikely(!skb->protocol || !pskb_inet_may_pull(skb) ||
		     skb->protocol != ip_tunnel_parse_protocol(skb))) {
		reason = FORKGUARD_DROP_A_TX_NOT_IP;
		err = -EPROTONOSUPPORT;
		net_dbg_ratelimited("%s: refused a packet that is not IP\n", dev->name);
		goto drop;
	}
	if (unlikely(!fwg_socket_may_nest())) {
		net_dbg_ratelimited("%s: refused a packet that is in %d tunnels already\n",
				    dev->name, MAX_NESTED);
		reason = FORKGUARD_DROP_A_TX_LOOP;
		err = -ELOOP;
		goto drop;
	}

	rcu_read_lock();
	peer = fwg_allowedips_lookup_dst(&device->allowedips, skb);
	if (unlikely(!peer)) {
		if (skb->protocol == htons(ETH_P_IP))
			net_dbg_ratelimited("%s: no peer has %pI4 among its allowed IPs\n",
					    dev->name, &ip_hdr(skb)->daddr);
		else
			net_dbg_ratelimited("%s: no peer has %pI6c among its allowed IPs\n",
					    dev->name, &ipv6_hdr(skb)->daddr);
		fwg_refuse(skb, ICMP_HOST_UNREACH, ICMPV6_ADDR_UNREACH);
		reason = FORKGUARD_DROP_A_TX_NO_PEER;
		err = -ENOKEY;
		goto drop_unlock;
	}
	/* Never zero again once set. For the sender only: fwg_socket_send() takes the lock. */
	if (unlikely(!data_race(peer->path.endpoint.addr.sa_family))) {
		fwg_peer_debug(peer, "endpoint not known\n");
		fwg_refuse(skb, ICMP_HOST_UNREACH, ICMPV6_ADDR_UNREACH);
		reason = FORKGUARD_DROP_A_TX_NO_ENDPOINT;
		err = -EDESTADDRREQ;
		goto drop_unlock;
	}

	__skb_queue_head_init(&packets);
	reason = FORKGUARD_DROP_A_TX_NO_MEMORY;
	err = fwg_segment(device, skb, &packets);
	if (unlikely(err))
		goto drop_unlock;
	fwg_send_packets(peer, &packets);
	rcu_read_unlock();
	return NETDEV_TX_OK;

drop_unlock:
	rcu_read_unlock();
drop:
	fwg_drops_count(device, reason);
	DEV_STATS_INC(dev, tx_errors);
	kfree_skb(skb);
	/* The sender sees the error; the packet is consumed all the same. */
	return err;
}

static const struct net_device_ops netdev_ops = {
	.ndo_open = fwg_open,
	.ndo_stop = fwg_stop,
	.ndo_start_xmit = fwg_xmit,
	.ndo_get_stats64 = dev_get_tstats64,
};

static const struct device_type device_type = { .name = KBUILD_MODNAME };
static const struct device_type wireguard_type = { .name = WG_GENL_NAME };

/* Runs when the last reference on the interface is gone. */
static void fwg_destruct(struct net_device *dev)
{
	struct fwg_device *device = netdev_priv(dev);

	/* Waits for walks that are at the device. */
	klist_remove(&device->node);
	fwg_reset_stop(device);
	fwg_generation_unwatch();

	mutex_lock(&device->lock);
	rcu_assign_pointer(device->sockets.net, NULL);
	mutex_unlock(&device->lock);
	fwg_sockets_close(&device->sockets);
	mutex_lock(&device->lock);
	fwg_peer_remove_all(device);
	mutex_unlock(&device->lock);
	destroy_workqueue(device->initiation_wq);
	destroy_workqueue(device->answer_wq);
	skb_queue_purge(&device->handshakes);
	/* Waits for the last readers. */
	fwg_inbound_destroy(&device->inbound);
	rcu_barrier();
	fwg_drops_destroy(device);
	compat_free_stats(dev);
	fwg_allowedips_destroy(&device->allowedips);
	inetpeer_invalidate_tree(&device->answered);
	fwg_noise_local_destroy(device->noise);
}

static void fwg_setup(struct net_device *dev)
{
	const netdev_features_t features = NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_SG |
					   NETIF_F_GSO | NETIF_F_GSO_SOFTWARE | NETIF_F_HIGHDMA;

	dev->netdev_ops = &netdev_ops;
	dev->ethtool_ops = &fwg_drops_ethtool_ops;
	dev->header_ops = &ip_tunnel_header_ops;
	dev->needed_headroom = LL_MAX_HEADER + sizeof(struct ipv6hdr) + OVERHEAD;
	dev->needed_tailroom = NOISE_TAG_LEN + MESSAGE_PADDING;
	dev->type = ARPHRD_NONE;
	dev->flags = IFF_POINTOPOINT | IFF_NOARP;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->features |= features;
	dev->hw_features |= features;
	dev->hw_enc_features |= features;
	compat_set_lltx(dev);
	/* The route of an inner packet has its MTU, and ICMP errors need it. */
	netif_keep_dst(dev);
	dev->mtu = ETH_DATA_LEN - OVERHEAD - sizeof(struct ipv6hdr);
	dev->max_mtu = round_down(INT_MAX, MESSAGE_PADDING) - OVERHEAD - sizeof(struct ipv6hdr);
	SET_NETDEV_DEVTYPE(dev, &device_type);
	dev->needs_free_netdev = true;
}

/* udev and its clients identify interfaces by this type. */
static void fwg_setup_wireguard(struct net_device *dev)
{
	fwg_setup(dev);
	SET_NETDEV_DEVTYPE(dev, &wireguard_type);
}

/* Do the allowed IPs route @endpoint to the peer at the end of @path itself? */
static bool fwg_loops(struct fwg_sockets *sockets, const struct fwg_path *path,
		      const struct endpoint *endpoint)
{
	struct fwg_device *device = container_of(sockets, struct fwg_device, sockets);
	bool v4 = endpoint->addr.sa_family == AF_INET;
	const struct fwg_peer *peer;
	bool loops;

	rcu_read_lock();
	peer = fwg_allowedips_lookup(&device->allowedips, endpoint->addr.sa_family,
				     v4 ? (const void *)&endpoint->addr4.sin_addr :
					  (const void *)&endpoint->addr6.sin6_addr);
	loops = peer && &peer->path == path;
	rcu_read_unlock();
	return loops;
}

static const struct fwg_socket_ops socket_ops = {
	.receive = fwg_receive_message,
	.loops = fwg_loops,
};

static int fwg_newlink(struct net *src_net, struct net_device *dev, struct nlattr *tb[],
		       struct nlattr *data[], struct netlink_ext_ack *extack)
{
	struct fwg_device *device = netdev_priv(dev);
	int err;

	device->dev = dev;
	device->peer_ops = &fwg_send_peer_ops;
	fwg_sockets_init(&device->sockets, dev, src_net, &socket_ops);
	INIT_LIST_HEAD(&device->peers);
	device->config_seq = 1; /* 0 means no sequence number in a dump */
	mutex_init(&device->lock);
	skb_queue_head_init(&device->handshakes);
	INIT_WORK(&device->handshake_work, fwg_answer_work);
	inet_peer_base_init(&device->answered);

	device->noise = fwg_noise_local_create(&peer_owner_ops);
	if (IS_ERR(device->noise))
		return PTR_ERR(device->noise);
	fwg_reset_prepare(device);
	err = fwg_allowedips_init(&device->allowedips, &device->lock);
	if (err)
		goto err_noise;
	err = -ENOMEM;
	device->answer_wq = alloc_workqueue("fwg-ans-%s", WQ_UNBOUND | WQ_FREEZABLE, 1, dev->name);
	if (!device->answer_wq)
		goto err_allowedips;
	device->initiation_wq = alloc_workqueue("fwg-ini-%s", WQ_UNBOUND | WQ_FREEZABLE,
						num_possible_cpus(), dev->name);
	if (!device->initiation_wq)
		goto err_answer_wq;
	err = fwg_drops_init(device);
	if (err)
		goto err_initiation_wq;
	err = fwg_inbound_init(&device->inbound, dev);
	if (err)
		goto err_drops;
	err = compat_alloc_stats(dev);
	if (err)
		goto err_inbound;
	err = register_netdevice(dev);
	if (err)
		goto err_stats;

	fwg_generation_watch();
	klist_add_tail(&device->node, &devices);
	/* From here on, fwg_destruct() cleans up. */
	dev->priv_destructor = fwg_destruct;
	return 0;

err_stats:
	compat_free_stats(dev);
err_inbound:
	fwg_inbound_destroy(&device->inbound);
err_drops:
	fwg_drops_destroy(device);
err_initiation_wq:
	destroy_workqueue(device->initiation_wq);
err_answer_wq:
	destroy_workqueue(device->answer_wq);
err_allowedips:
	fwg_allowedips_destroy(&device->allowedips);
err_noise:
	fwg_noise_local_destroy(device->noise);
	return err;
}

static struct rtnl_link_ops link_ops __read_mostly = {
	.kind = KBUILD_MODNAME,
	.priv_size = sizeof(struct fwg_device),
	.setup = fwg_setup,
	.newlink = fwg_newlink,
};

/* The same interface, under the name of WireGuard's. */
static struct rtnl_link_ops wireguard_link_ops __read_mostly = {
	.kind = WG_GENL_NAME,
	.priv_size = sizeof(struct fwg_device),
	.setup = fwg_setup_wireguard,
	.newlink = fwg_newlink,
};

/**
 * fwg_device_is_forkguard() - is an interface one of ours, of either kind?
 * @dev: the interface
 */
bool fwg_device_is_forkguard(const struct net_device *dev)
{
	return dev->rtnl_link_ops == &link_ops || dev->rtnl_link_ops == &wireguard_link_ops;
}

/**
 * fwg_device_reset() - wipe the stale secrets of all devices (R6, R8)
 * @cause: why
 * @wait: return only when that is done
 *
 * The callback of the generation layer. Takes neither the rtnl nor the lock of a
 * device.
 *
 * Context: process.
 */
void fwg_device_reset(enum forkguard_reset_cause cause, bool wait)
{
	struct klist_node *node;
	struct klist_iter iter;

	klist_iter_init(&devices, &iter);
	while ((node = klist_next(&iter))) {
		fwg_reset_queue(fwg_of_node(node), cause);
		cond_resched();
	}
	klist_iter_exit(&iter);
	if (!wait)
		return;
	klist_iter_init(&devices, &iter);
	while ((node = klist_next(&iter)))
		fwg_reset_wait(fwg_of_node(node));
	klist_iter_exit(&iter);
}

/* Was a device created in a namespace? None can be any more once it is going away. */
static bool fwg_any_born_in(const struct net *net)
{
	struct klist_node *node;
	struct klist_iter iter;
	bool any = false;

	klist_iter_init(&devices, &iter);
	while (!any && (node = klist_next(&iter)))
		any = rcu_access_pointer(fwg_of_node(node)->sockets.net) == net;
	klist_iter_exit(&iter);
	return any;
}

/* The namespace of the sockets is going away: close them first, and drop the routes. */
static void fwg_net_pre_exit(struct net *net)
{
	struct fwg_device *device;
	struct klist_node *node;
	struct klist_iter iter;
	struct fwg_peer *peer;

	/* Containers come and go all the time. Most have no device: they take no lock. */
	if (!fwg_any_born_in(net))
		return;
	rtnl_lock();
	klist_iter_init(&devices, &iter);
	while ((node = klist_next(&iter))) {
		device = fwg_of_node(node);
		if (rcu_access_pointer(device->sockets.net) != net)
			continue;
		netdev_dbg(device->dev, "namespace of the sockets is gone\n");
		if (device->dev->reg_state == NETREG_REGISTERED)
			netif_carrier_off(device->dev);
		rcu_assign_pointer(device->sockets.net, NULL);
		fwg_sockets_close(&device->sockets);
		mutex_lock(&device->lock);
		list_for_each_entry(peer, &device->peers, list)
			fwg_path_forget_route(&peer->path);
		mutex_unlock(&device->lock);
	}
	klist_iter_exit(&iter);
	rtnl_unlock();
}

static struct pernet_operations pernet_ops = { .pre_exit = fwg_net_pre_exit };

/**
 * fwg_device_init() - register the kind of interface
 * @replace_wireguard: also register it under the name of WireGuard's
 *
 * Context: process.
 * Return: 0 or a negative error; -EEXIST if WireGuard itself is loaded.
 */
int __init fwg_device_init(bool replace_wireguard)
{
	int err;

	err = register_pernet_subsys(&pernet_ops);
	if (err)
		return err;
	/* This may be refused, so it comes first, while there can be no interface. */
	if (replace_wireguard) {
		err = rtnl_link_register(&wireguard_link_ops);
		if (err)
			goto err_pernet;
	}
	err = rtnl_link_register(&link_ops);
	if (err)
		goto err_wireguard;
	return 0;

err_wireguard:
	if (replace_wireguard)
		rtnl_link_unregister(&wireguard_link_ops);
err_pernet:
	unregister_pernet_subsys(&pernet_ops);
	rcu_barrier();
	return err;
}

/**
 * fwg_device_exit() - remove all interfaces
 * @replace_wireguard: as it was for fwg_device_init()
 *
 * Context: process.
 */
void fwg_device_exit(bool replace_wireguard)
{
	rtnl_link_unregister(&link_ops);
	if (replace_wireguard)
		rtnl_link_unregister(&wireguard_link_ops);
	unregister_pernet_subsys(&pernet_ops);
	rcu_barrier();
}

#ifdef FORKGUARD_KUNIT
#include "device_test.c"
#include "recovery_test.c"
#endif
