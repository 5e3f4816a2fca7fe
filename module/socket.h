/* SPDX-License-Identifier: GPL-2.0 */
/* socket: where peers are, and the UDP sockets towards them. */
#ifndef _FORKGUARD_SOCKET_H
#define _FORKGUARD_SOCKET_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/skbuff.h>

struct fwg_device;
struct fwg_peer;
struct net;

/**
 * struct endpoint - where a peer is, and how we were reached from there
 * @addr: its address; the family is 0 when it is unknown
 * @addr4: if IPv4
 * @addr6: if IPv6
 * @src4: our address that it has sent to, or any
 * @src_if4: the interface by which that came
 * @src6: our address that it has sent to, or any
 */
struct endpoint {
	union {
		struct sockaddr addr;
		struct sockaddr_in addr4;
		struct sockaddr_in6 addr6;
	};
	union {
		struct {
			struct in_addr src4;
			int src_if4;
		};
		struct in6_addr src6;
	};
};

int fwg_socket_open(struct fwg_device *device, u16 port);
void fwg_socket_close(struct fwg_device *device);
bool fwg_socket_may_nest(void);
int fwg_socket_send(struct fwg_peer *peer, struct sk_buff *skb, u8 ds);
void fwg_socket_reply(struct fwg_device *device, struct sk_buff *skb, const struct endpoint *to,
		      u8 ds);
int fwg_endpoint_from_skb(struct endpoint *endpoint, const struct sk_buff *skb);
void fwg_socket_set_endpoint(struct fwg_peer *peer, const struct endpoint *endpoint);
void fwg_socket_forget_route(struct fwg_peer *peer);
void fwg_socket_clear_source(struct fwg_peer *peer);

#endif /* _FORKGUARD_SOCKET_H */
