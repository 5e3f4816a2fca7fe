// SPDX-License-Identifier: GPL-2.0
/* socket: the UDP sockets of a device, sending to a peer, and roaming. */

#include "socket.h"
#include "peer.h"
#include "receive.h"

#include <linux/inetdevice.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/udp_tunnel.h>

/*
 * How many of our tunnels a packet may be put into, one inside of the other. All
 * of them are on one stack, of 16 KiB, and cost it some 2 each; sealing and its
 * wiping take 4 more.
 */
#define MAX_NESTED 3

/* With BHs disabled, whoever counts on this CPU is further up on this stack. */
static DEFINE_PER_CPU(unsigned int, nested);

/**
 * fwg_socket_may_nest() - may a packet be put into another tunnel?
 *
 * Context: BHs disabled.
 */
bool fwg_socket_may_nest(void)
{
	return __this_cpu_read(nested) < MAX_NESTED;
}

/*
 * Does the way to a peer lead through the peer itself? Through another one of the
 * same interface it may, and what goes around through several ends in xmit().
 */
static bool fwg_is_loop(const struct sk_buff *skb, const struct net_device *way,
			const struct endpoint *endpoint)
{
	bool v4 = endpoint->addr.sa_family == AF_INET;
	struct fwg_device *device;
	const struct fwg_peer *peer;

	if (likely(way != skb->dev))
		return false;
	device = netdev_priv(skb->dev);
	rcu_read_lock();
	peer = fwg_allowedips_lookup(&device->allowedips, endpoint->addr.sa_family,
				     v4 ? (const void *)&endpoint->addr4.sin_addr :
					  (const void *)&endpoint->addr6.sin6_addr);
	rcu_read_unlock();
	return peer && &peer->endpoint == endpoint;
}

/* Called with the lock on the endpoint, so that @route, which may be NULL, is to it. */
static int fwg_send4(const struct endpoint *endpoint, struct dst_cache *route, struct sock *sock,
		     struct sk_buff *skb, u8 ds)
{
	struct flowi4 fl = {
		.saddr = endpoint->src4.s_addr,
		.daddr = endpoint->addr4.sin_addr.s_addr,
		.fl4_sport = inet_sk(sock)->inet_sport,
		.fl4_dport = endpoint->addr4.sin_port,
		.flowi4_mark = skb->mark,
		.flowi4_proto = IPPROTO_UDP,
	};
	struct rtable *rt = route ? dst_cache_get_ip4(route, &fl.saddr) : NULL;
	bool sticky;

	if (!rt) {
		security_sk_classify_flow(sock, flowi4_to_flowi_common(&fl));
		sticky = fl.saddr &&
			 inet_confirm_addr(sock_net(sock), NULL, 0, fl.saddr, RT_SCOPE_HOST);
		if (!sticky)
			fl.saddr = 0;
		rt = ip_route_output_flow(sock_net(sock), &fl, sock);
		/* The address goes with the interface that it was reached by. */
		if (sticky && (IS_ERR(rt) || rt->dst.dev->ifindex != endpoint->src_if4)) {
			if (!IS_ERR(rt))
				ip_rt_put(rt);
			/* The lookup has filled in both. */
			fl.saddr = 0;
			fl.flowi4_oif = 0;
			rt = ip_route_output_flow(sock_net(sock), &fl, sock);
		}
		if (IS_ERR(rt))
			return PTR_ERR(rt);
		if (fwg_is_loop(skb, rt->dst.dev, endpoint)) {
			ip_rt_put(rt);
			return -ELOOP;
		}
		/* A way through ourselves is looked at each time. */
		if (route && rt->dst.dev != skb->dev)
			dst_cache_set_ip4(route, &rt->dst, fl.saddr);
	}
	udp_tunnel_xmit_skb(rt, sock, skb, fl.saddr, fl.daddr, ds, ip4_dst_hoplimit(&rt->dst), 0,
			    fl.fl4_sport, fl.fl4_dport, false, false);
	return 0;
}

#if IS_ENABLED(CONFIG_IPV6)
static int fwg_send6(const struct endpoint *endpoint, struct dst_cache *route, struct sock *sock,
		     struct sk_buff *skb, u8 ds)
{
	struct flowi6 fl = {
		.saddr = endpoint->src6,
		.daddr = endpoint->addr6.sin6_addr,
		.fl6_sport = inet_sk(sock)->inet_sport,
		.fl6_dport = endpoint->addr6.sin6_port,
		.flowi6_mark = skb->mark,
		.flowi6_oif = endpoint->addr6.sin6_scope_id,
		.flowi6_proto = IPPROTO_UDP,
	};
	struct dst_entry *dst = route ? dst_cache_get_ip6(route, &fl.saddr) : NULL;

	if (!dst) {
		security_sk_classify_flow(sock, flowi6_to_flowi_common(&fl));
		if (!ipv6_addr_any(&fl.saddr) && !ipv6_chk_addr(sock_net(sock), &fl.saddr, NULL, 0))
			fl.saddr = in6addr_any;
		dst = ipv6_stub->ipv6_dst_lookup_flow(sock_net(sock), sock, &fl, NULL);
		if (IS_ERR(dst))
			return PTR_ERR(dst);
		if (fwg_is_loop(skb, dst->dev, endpoint)) {
			dst_release(dst);
			return -ELOOP;
		}
		if (route && dst->dev != skb->dev)
			dst_cache_set_ip6(route, dst, &fl.saddr);
	}
	udp_tunnel6_xmit_skb(dst, sock, skb, skb->dev, &fl.saddr, &fl.daddr, ds,
			     ip6_dst_hoplimit(dst), 0, fl.fl6_sport, fl.fl6_dport, false);
	return 0;
}
#else
static int fwg_send6(const struct endpoint *endpoint, struct dst_cache *route, struct sock *sock,
		     struct sk_buff *skb, u8 ds)
{
	return -EAFNOSUPPORT;
}
#endif

/* Called with BHs disabled. The skb is consumed when 0 is returned. */
static int fwg_send_to(struct fwg_device *device, const struct endpoint *endpoint,
		       struct dst_cache *route, struct sk_buff *skb, u8 ds)
{
	int err = -EDESTADDRREQ;
	struct sock *sock;

	skb->dev = device->dev;
	skb->mark = READ_ONCE(device->fwmark);
	/* The tunnel's MTU is the sender's to keep, not the path's to refuse. */
	skb->ignore_df = 1;

	__this_cpu_inc(nested);
	switch (endpoint->addr.sa_family) {
	case AF_INET:
		sock = rcu_dereference_bh(device->sock4);
		err = sock ? fwg_send4(endpoint, route, sock, skb, ds) : -ENONET;
		break;
	case AF_INET6:
		sock = rcu_dereference_bh(device->sock6);
		err = sock ? fwg_send6(endpoint, route, sock, skb, ds) : -ENONET;
		break;
	}
	__this_cpu_dec(nested);
	return err;
}

/**
 * fwg_socket_send() - send a message to where a peer is
 * @peer: the peer
 * @skb: the message; consumed
 * @ds: the DS field of the outer header
 *
 * Context: any but hard interrupts.
 * Return: 0 or a negative error.
 */
int fwg_socket_send(struct fwg_peer *peer, struct sk_buff *skb, u8 ds)
{
	size_t len = skb->len;
	int err;

	rcu_read_lock_bh();
	read_lock_bh(&peer->endpoint_lock);
	err = fwg_send_to(peer->device, &peer->endpoint, &peer->route, skb, ds);
	read_unlock_bh(&peer->endpoint_lock);
	rcu_read_unlock_bh();

	if (likely(!err))
		atomic64_add(len, &peer->tx_bytes);
	else
		kfree_skb(skb);
	return err;
}

/**
 * fwg_socket_reply() - send a message to where another has come from
 * @device: the device
 * @skb: the message; consumed
 * @to: where
 * @ds: the DS field of the outer header
 *
 * Context: any but hard interrupts.
 */
void fwg_socket_reply(struct fwg_device *device, struct sk_buff *skb, const struct endpoint *to,
		      u8 ds)
{
	rcu_read_lock_bh();
	if (fwg_send_to(device, to, NULL, skb, ds))
		kfree_skb(skb);
	rcu_read_unlock_bh();
}

/**
 * fwg_endpoint_from_skb() - where does a message come from?
 * @endpoint: the answer
 * @skb: the message, with outer network and transport headers
 *
 * Return: 0 or -EINVAL.
 */
int fwg_endpoint_from_skb(struct endpoint *endpoint, const struct sk_buff *skb)
{
	memset(endpoint, 0, sizeof(*endpoint));
	if (skb->protocol == htons(ETH_P_IP)) {
		endpoint->addr4.sin_family = AF_INET;
		endpoint->addr4.sin_port = udp_hdr(skb)->source;
		endpoint->addr4.sin_addr.s_addr = ip_hdr(skb)->saddr;
		endpoint->src4.s_addr = ip_hdr(skb)->daddr;
		endpoint->src_if4 = skb->skb_iif;
		return 0;
	}
	if (IS_ENABLED(CONFIG_IPV6) && skb->protocol == htons(ETH_P_IPV6)) {
		endpoint->addr6.sin6_family = AF_INET6;
		endpoint->addr6.sin6_port = udp_hdr(skb)->source;
		endpoint->addr6.sin6_addr = ipv6_hdr(skb)->saddr;
		endpoint->addr6.sin6_scope_id =
			ipv6_iface_scope_id(&ipv6_hdr(skb)->saddr, skb->skb_iif);
		endpoint->src6 = ipv6_hdr(skb)->daddr;
		return 0;
	}
	return -EINVAL;
}

/**
 * fwg_socket_set_endpoint() - a peer is somewhere
 * @peer: the peer
 * @endpoint: where; padding is zero
 *
 * Context: any but hard interrupts.
 */
void fwg_socket_set_endpoint(struct fwg_peer *peer, const struct endpoint *endpoint)
{
	/* Mostly it stays where it was. What a torn read misses, the next message puts right. */
	if (likely(!data_race(memcmp(&peer->endpoint, endpoint, sizeof(*endpoint)))))
		return;

	write_lock_bh(&peer->endpoint_lock);
	peer->endpoint = *endpoint;
	dst_cache_reset_now(&peer->route);
	write_unlock_bh(&peer->endpoint_lock);
}

/**
 * fwg_socket_forget_route() - look for the way to a peer again
 * @peer: the peer
 *
 * No route is held any more: it must not outlive the namespace of the sockets.
 *
 * Context: any but hard interrupts.
 */
void fwg_socket_forget_route(struct fwg_peer *peer)
{
	write_lock_bh(&peer->endpoint_lock);
	dst_cache_reset_now(&peer->route);
	write_unlock_bh(&peer->endpoint_lock);
}

/**
 * fwg_socket_clear_source() - let routing choose from which address we send
 * @peer: to this peer
 *
 * Context: any but hard interrupts.
 */
void fwg_socket_clear_source(struct fwg_peer *peer)
{
	write_lock_bh(&peer->endpoint_lock);
	memset(&peer->endpoint.src6, 0, sizeof(peer->endpoint.src6));
	dst_cache_reset_now(&peer->route);
	write_unlock_bh(&peer->endpoint_lock);
}

static int fwg_on_receive(struct sock *sk, struct sk_buff *skb)
{
	struct fwg_device *device = rcu_dereference_sk_user_data(sk);

	skb_mark_not_on_list(skb);
	if (likely(device))
		fwg_receive_message(device, skb);
	else
		kfree_skb(skb);
	return 0;
}

static void fwg_destroy(struct socket *sock)
{
	sk_clear_memalloc(sock->sk);
	udp_tunnel_sock_release(sock);
}

static struct socket *fwg_create(struct fwg_device *device, struct net *net,
				 struct udp_port_cfg *port)
{
	struct udp_tunnel_sock_cfg cfg = {
		.sk_user_data = device,
		.encap_type = 1,
		.encap_rcv = fwg_on_receive,
	};
	struct socket *sock;
	int err;

	err = udp_sock_create(net, port, &sock);
	if (err)
		return ERR_PTR(err);
	sock->sk->sk_allocation = GFP_ATOMIC;
	sock->sk->sk_sndbuf = INT_MAX;
	sk_set_memalloc(sock->sk);
	setup_udp_tunnel_sock(net, sock, &cfg);
	return sock;
}

static void fwg_replace(struct fwg_device *device, struct socket *sock4, struct socket *sock6)
{
	struct sock *old4, *old6;

	mutex_lock(&device->socket_lock);
	old4 = rcu_dereference_protected(device->sock4, lockdep_is_held(&device->socket_lock));
	old6 = rcu_dereference_protected(device->sock6, lockdep_is_held(&device->socket_lock));
	rcu_assign_pointer(device->sock4, sock4 ? sock4->sk : NULL);
	rcu_assign_pointer(device->sock6, sock6 ? sock6->sk : NULL);
	if (sock4)
		WRITE_ONCE(device->port, ntohs(inet_sk(sock4->sk)->inet_sport));
	mutex_unlock(&device->socket_lock);

	synchronize_net();
	if (old4)
		fwg_destroy(old4->sk_socket);
	if (old6)
		fwg_destroy(old6->sk_socket);
}

/**
 * fwg_socket_open() - open, or replace, the sockets of a device
 * @device: the device
 * @port: to receive on, host byte order; 0 to choose one
 *
 * Context: process.
 * Return: 0; otherwise a negative error, and the sockets are as they were.
 */
int fwg_socket_open(struct fwg_device *device, u16 port)
{
	struct udp_port_cfg port4 = {
		.family = AF_INET,
		.local_ip.s_addr = htonl(INADDR_ANY),
		.local_udp_port = htons(port),
		.use_udp_checksums = true,
	};
	struct udp_port_cfg port6 = {
		.family = AF_INET6,
		.local_ip6 = IN6ADDR_ANY_INIT,
		.use_udp6_tx_checksums = true,
		.use_udp6_rx_checksums = true,
		.ipv6_v6only = true,
	};
	struct socket *sock4, *sock6 = NULL;
	int retries = port ? 0 : 100;
	struct net *net;
	int err;

	rcu_read_lock();
	net = rcu_dereference(device->birth_net);
	net = net ? maybe_get_net(net) : NULL;
	rcu_read_unlock();
	if (!net)
		return -ENONET;

	for (;;) {
		sock4 = fwg_create(device, net, &port4);
		err = PTR_ERR_OR_ZERO(sock4);
		if (err || !IS_ENABLED(CONFIG_IPV6) || !ipv6_mod_enabled())
			break;
		port6.local_udp_port = inet_sk(sock4->sk)->inet_sport;
		sock6 = fwg_create(device, net, &port6);
		err = PTR_ERR_OR_ZERO(sock6);
		if (!err)
			break;
		fwg_destroy(sock4);
		/* The port that was chosen for IPv4 may be taken for IPv6. */
		if (err != -EADDRINUSE || !retries--)
			break;
	}
	if (!err)
		fwg_replace(device, sock4, sock6);
	put_net(net);
	return err;
}

/**
 * fwg_socket_close() - close the sockets of a device
 * @device: the device
 *
 * Context: process.
 */
void fwg_socket_close(struct fwg_device *device)
{
	fwg_replace(device, NULL, NULL);
}
