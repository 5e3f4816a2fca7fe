/* SPDX-License-Identifier: GPL-2.0 */
/* socket: the UDP sockets of an interface, and sending through them. */
#ifndef _FORKGUARD_SOCKET_H
#define _FORKGUARD_SOCKET_H

#include "path.h"

#include <linux/mutex.h>
#include <linux/netdevice.h>

struct fwg_sockets;

/*
 * How many of our tunnels may be nested, one inside the other. They share one stack of
 * 16 KiB and take about 2 KiB of it each; sealing and wiping take 4 KiB more.
 */
#define MAX_NESTED 3

/**
 * struct fwg_socket_ops - callbacks of the user of sockets
 * @receive: takes a UDP datagram, which it consumes; softirq, under RCU
 * @loops: does a packet for @endpoint that is routed into the interface itself
 *	come out of it on @path again? Softirq or BHs disabled, under RCU
 */
struct fwg_socket_ops {
	void (*receive)(struct fwg_sockets *sockets, struct sk_buff *skb);
	bool (*loops)(struct fwg_sockets *sockets, const struct fwg_path *path,
		      const struct endpoint *endpoint);
};

/**
 * struct fwg_sockets - the sockets of an interface
 * @dev: the interface
 * @ops: callbacks of the user
 * @net: the namespace in which they live; RCU, NULL when it is going away
 * @lock: taken to replace the sockets
 * @sock4: UDP over IPv4; RCU
 * @sock6: UDP over IPv6; RCU
 * @port: on which they receive, or will when they are opened; host byte order
 * @fwmark: mark of the packets sent
 */
struct fwg_sockets {
	struct net_device *dev;
	const struct fwg_socket_ops *ops;
	struct net __rcu *net;
	struct mutex lock; /* replacing the sockets */
	struct sock __rcu *sock4, *sock6;
	u16 port;
	u32 fwmark;
};

void fwg_sockets_init(struct fwg_sockets *sockets, struct net_device *dev, struct net *net,
		      const struct fwg_socket_ops *ops);
int __must_check fwg_sockets_open(struct fwg_sockets *sockets, u16 port);
void fwg_sockets_close(struct fwg_sockets *sockets);
bool fwg_socket_may_nest(void);
int fwg_socket_send(struct fwg_sockets *sockets, struct fwg_path *path, struct sk_buff *skb, u8 ds);
int fwg_socket_reply(struct fwg_sockets *sockets, const struct endpoint *to, struct sk_buff *skb,
		     u8 ds);

#endif /* _FORKGUARD_SOCKET_H */
