// SPDX-License-Identifier: GPL-2.0
/* socket: see socket.h. */

#include "socket.h"

#include <linux/inetdevice.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/udp_tunnel.h>

/* How many sends are nested on this CPU: with BHs disabled, all on one stack. */
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
 * A route into the interface itself is fine if the packet then goes to another peer.
 * A loop through several interfaces ends when too many tunnels are nested.
 */
static bool fwg_is_loop(struct fwg_sockets *sockets, const struct net_device *way,
			const struct fwg_path *path, const struct endpoint *endpoint)
{
	return unlikely(way == sockets->dev) && path &&
	       sockets->ops->loops(sockets, path, endpoint);
}

/* Called with the lock on @path, which is NULL if @endpoint is not that of a peer. */
static int fwg_send4(struct fwg_sockets *sockets, const struct endpoint *endpoint,
		     struct fwg_path *path, struct sock *sock, struct sk_buff *skb, u8 ds)
{
	struct flowi4 fl = {
		.saddr = endpoint->src4.s_addr,
		.daddr = endpoint->addr4.sin_addr.s_addr,
		.fl4_sport = inet_sk(sock)->inet_sport,
		.fl4_dport = endpoint->addr4.sin_port,
		.flowi4_mark = skb->mark,
		.flowi4_proto = IPPROTO_UDP,
	};
	struct rtable *rt = path ? dst_cache_get_ip4(&path->route, &fl.saddr) : NULL;
	bool sticky;

	if (!rt) {
		security_sk_classify_flow(sock, flowi4_to_flowi_common(&fl));
		sticky = fl.saddr &&
			 inet_confirm_addr(sock_net(sock), NULL, 0, fl.saddr, RT_SCOPE_HOST);
		if (!sticky)
			fl.saddr = 0;
		rt = ip_route_output_flow(sock_net(sock), &fl, sock);
		/* The source address is used only on the interface where it was reached. */
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
		if (fwg_is_loop(sockets, rt->dst.dev, path, endpoint)) {
			ip_rt_put(rt);
			return -ELOOP;
		}
		/* A route through the interface itself is checked each time. */
		if (path && rt->dst.dev != sockets->dev)
			dst_cache_set_ip4(&path->route, &rt->dst, fl.saddr);
	}
	udp_tunnel_xmit_skb(rt, sock, skb, fl.saddr, fl.daddr, ds, ip4_dst_hoplimit(&rt->dst), 0,
			    fl.fl4_sport, fl.fl4_dport, false, false);
	return 0;
}

#if IS_ENABLED(CONFIG_IPV6)
static int fwg_send6(struct fwg_sockets *sockets, const struct endpoint *endpoint,
		     struct fwg_path *path, struct sock *sock, struct sk_buff *skb, u8 ds)
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
	struct dst_entry *dst = path ? dst_cache_get_ip6(&path->route, &fl.saddr) : NULL;

	if (!dst) {
		security_sk_classify_flow(sock, flowi6_to_flowi_common(&fl));
		if (!ipv6_addr_any(&fl.saddr) && !ipv6_chk_addr(sock_net(sock), &fl.saddr, NULL, 0))
			fl.saddr = in6addr_any;
		dst = ipv6_stub->ipv6_dst_lookup_flow(sock_net(sock), sock, &fl, NULL);
		if (IS_ERR(dst))
			return PTR_ERR(dst);
		if (fwg_is_loop(sockets, dst->dev, path, endpoint)) {
			dst_release(dst);
			return -ELOOP;
		}
		if (path && dst->dev != sockets->dev)
			dst_cache_set_ip6(&path->route, dst, &fl.saddr);
	}
	udp_tunnel6_xmit_skb(dst, sock, skb, skb->dev, &fl.saddr, &fl.daddr, ds,
			     ip6_dst_hoplimit(dst), 0, fl.fl6_sport, fl.fl6_dport, false);
	return 0;
}
#else
static int fwg_send6(struct fwg_sockets *sockets, const struct endpoint *endpoint,
		     struct fwg_path *path, struct sock *sock, struct sk_buff *skb, u8 ds)
{
	return -EAFNOSUPPORT;
}
#endif

/* Called with BHs disabled, under RCU. The skb is consumed when 0 is returned. */
static int fwg_send_to(struct fwg_sockets *sockets, const struct endpoint *endpoint,
		       struct fwg_path *path, struct sk_buff *skb, u8 ds)
{
	int err = -EDESTADDRREQ;
	struct sock *sock;

	skb->dev = sockets->dev;
	skb->mark = READ_ONCE(sockets->fwmark);
	/* Fragment what exceeds the path's MTU, rather than refuse it. */
	skb->ignore_df = 1;

	__this_cpu_inc(nested);
	switch (endpoint->addr.sa_family) {
	case AF_INET:
		sock = rcu_dereference_bh(sockets->sock4);
		err = sock ? fwg_send4(sockets, endpoint, path, sock, skb, ds) : -ENONET;
		break;
	case AF_INET6:
		sock = rcu_dereference_bh(sockets->sock6);
		err = sock ? fwg_send6(sockets, endpoint, path, sock, skb, ds) : -ENONET;
		break;
	}
	__this_cpu_dec(nested);
	if (unlikely(err))
		kfree_skb(skb);
	return err;
}

/**
 * fwg_socket_send() - send a message along a path
 * @sockets: the sockets
 * @path: the path
 * @skb: the message; consumed
 * @ds: the DS field of the outer header
 *
 * Context: any but hard interrupts.
 * Return: 0 or a negative error: -EDESTADDRREQ without an endpoint, -ENONET without a
 * socket of its family, -ELOOP, or an error of routing.
 */
int fwg_socket_send(struct fwg_sockets *sockets, struct fwg_path *path, struct sk_buff *skb, u8 ds)
{
	int err;

	rcu_read_lock_bh();
	read_lock_bh(&path->lock);
	err = fwg_send_to(sockets, &path->endpoint, path, skb, ds);
	read_unlock_bh(&path->lock);
	rcu_read_unlock_bh();
	return err;
}

/**
 * fwg_socket_reply() - send a message back to the source of another
 * @sockets: the sockets
 * @to: the source
 * @skb: the message; consumed
 * @ds: the DS field of the outer header
 *
 * Context: any but hard interrupts.
 * Return: as fwg_socket_send().
 */
int fwg_socket_reply(struct fwg_sockets *sockets, const struct endpoint *to, struct sk_buff *skb,
		     u8 ds)
{
	int err;

	rcu_read_lock_bh();
	err = fwg_send_to(sockets, to, NULL, skb, ds);
	rcu_read_unlock_bh();
	return err;
}

static int fwg_on_receive(struct sock *sk, struct sk_buff *skb)
{
	struct fwg_sockets *sockets = rcu_dereference_sk_user_data(sk);

	skb_mark_not_on_list(skb);
	if (likely(sockets))
		sockets->ops->receive(sockets, skb);
	else
		kfree_skb(skb);
	return 0;
}

static void fwg_destroy_socket(struct socket *sock)
{
	sk_clear_memalloc(sock->sk);
	udp_tunnel_sock_release(sock);
}

static struct socket *fwg_create_socket(struct fwg_sockets *sockets, struct net *net,
					struct udp_port_cfg *port)
{
	struct udp_tunnel_sock_cfg cfg = {
		.sk_user_data = sockets,
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

static void fwg_replace_sockets(struct fwg_sockets *sockets, struct socket *sock4,
				struct socket *sock6)
{
	struct sock *old4, *old6;

	mutex_lock(&sockets->lock);
	old4 = rcu_dereference_protected(sockets->sock4, lockdep_is_held(&sockets->lock));
	old6 = rcu_dereference_protected(sockets->sock6, lockdep_is_held(&sockets->lock));
	rcu_assign_pointer(sockets->sock4, sock4 ? sock4->sk : NULL);
	rcu_assign_pointer(sockets->sock6, sock6 ? sock6->sk : NULL);
	if (sock4)
		WRITE_ONCE(sockets->port, ntohs(inet_sk(sock4->sk)->inet_sport));
	mutex_unlock(&sockets->lock);

	synchronize_net();
	if (old4)
		fwg_destroy_socket(old4->sk_socket);
	if (old6)
		fwg_destroy_socket(old6->sk_socket);
}

/**
 * fwg_sockets_init() - initialize the sockets, closed
 * @sockets: the sockets
 * @dev: the interface
 * @net: the namespace in which they will live
 * @ops: callbacks of their user
 */
void fwg_sockets_init(struct fwg_sockets *sockets, struct net_device *dev, struct net *net,
		      const struct fwg_socket_ops *ops)
{
	sockets->dev = dev;
	sockets->ops = ops;
	rcu_assign_pointer(sockets->net, net);
	mutex_init(&sockets->lock);
}

/**
 * fwg_sockets_open() - open the sockets, or replace them
 * @sockets: the sockets
 * @port: to receive on, host byte order; 0 to choose one
 *
 * Context: process.
 * Return: 0; or a negative error, with the sockets unchanged.
 */
int fwg_sockets_open(struct fwg_sockets *sockets, u16 port)
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
	net = rcu_dereference(sockets->net);
	net = net ? maybe_get_net(net) : NULL;
	rcu_read_unlock();
	if (!net)
		return -ENONET;

	for (;;) {
		sock4 = fwg_create_socket(sockets, net, &port4);
		err = PTR_ERR_OR_ZERO(sock4);
		if (err || !IS_ENABLED(CONFIG_IPV6) || !ipv6_mod_enabled())
			break;
		port6.local_udp_port = inet_sk(sock4->sk)->inet_sport;
		sock6 = fwg_create_socket(sockets, net, &port6);
		err = PTR_ERR_OR_ZERO(sock6);
		if (!err)
			break;
		fwg_destroy_socket(sock4);
		/* The port that was chosen for IPv4 may be taken for IPv6. */
		if (err != -EADDRINUSE || !retries--)
			break;
	}
	if (!err)
		fwg_replace_sockets(sockets, sock4, sock6);
	put_net(net);
	return err;
}

/**
 * fwg_sockets_close() - close the sockets
 * @sockets: the sockets
 *
 * Context: process.
 */
void fwg_sockets_close(struct fwg_sockets *sockets)
{
	fwg_replace_sockets(sockets, NULL, NULL);
}
