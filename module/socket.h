/* SPDX-License-Identifier: GPL-2.0 */
/* socket: where peers are, and the UDP sockets towards them. */
#ifndef _FORKGUARD_SOCKET_H
#define _FORKGUARD_SOCKET_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/skbuff.h>

struct fg_device;
struct fg_peer;
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

int socket_open(struct fg_device *device, u16 port);
void socket_close(struct fg_device *device);
bool socket_may_nest(void);
int socket_send(struct fg_peer *peer, struct sk_buff *skb, u8 ds);
void socket_reply(struct fg_device *device, struct sk_buff *skb, const struct endpoint *to, u8 ds);
int endpoint_from_skb(struct endpoint *endpoint, const struct sk_buff *skb);
void socket_set_endpoint(struct fg_peer *peer, const struct endpoint *endpoint);
void socket_forget_route(struct fg_peer *peer);
void socket_clear_source(struct fg_peer *peer);

#endif /* _FORKGUARD_SOCKET_H */
