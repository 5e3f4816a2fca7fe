/* SPDX-License-Identifier: GPL-2.0 */
/* send: from the interface to the socket; also messages that we begin ourselves. */
#ifndef _FORKGUARD_SEND_H
#define _FORKGUARD_SEND_H

#include <linux/types.h>

struct endpoint;
struct fwg_device;
struct fwg_peer;
struct fwg_peer_ops;
struct noise_source;
struct sk_buff;
struct sk_buff_head;

/**
 * struct send_cb - data about a packet while it waits
 * @mtu: MTU of its route, or 0
 * @ds: DS field of the outer header
 */
struct send_cb {
	u32 mtu;
	u8 ds;
};

#define SEND_CB(skb) ((struct send_cb *)((skb)->cb))

extern const struct fwg_peer_ops fwg_send_peer_ops;

void fwg_send_packets(struct fwg_peer *peer, struct sk_buff_head *packets);
void fwg_send_staged(struct fwg_peer *peer);
void fwg_send_scrub(struct sk_buff *skb);
void fwg_send_keepalive(struct fwg_peer *peer);
bool fwg_send_queue_initiation(struct fwg_peer *peer, bool retry);
void fwg_send_response(struct fwg_peer *peer, struct sk_buff *skb, const struct endpoint *to);
void fwg_send_cookie(struct fwg_device *device, const struct sk_buff *msg,
		     const struct endpoint *to, const struct noise_source *source);
struct sk_buff *fwg_send_alloc_handshake(size_t len);

#endif /* _FORKGUARD_SEND_H */
