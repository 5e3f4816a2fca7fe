/* SPDX-License-Identifier: GPL-2.0 */
/* send: from the interface, or from nothing, to the socket. */
#ifndef _FORKGUARD_SEND_H
#define _FORKGUARD_SEND_H

#include <linux/types.h>

struct endpoint;
struct fg_device;
struct fg_peer;
struct noise_source;
struct sk_buff;
struct sk_buff_head;
struct work_struct;

/*
 * Milliseconds between two initiations when a reset lies between them. A peer
 * takes no more than INITIATIONS_PER_SECOND, by a clock of up to 10 ms a tick.
 */
#define RECOVERY_INTERVAL (2 * MSEC_PER_SEC / INITIATIONS_PER_SECOND)

/**
 * struct send_cb - what is kept of a packet while it waits
 * @mtu: of the route that it came by, or 0
 * @ds: DS field of the outer header
 */
struct send_cb {
	u32 mtu;
	u8 ds;
};

#define SEND_CB(skb) ((struct send_cb *)((skb)->cb))

void send_packets(struct fg_peer *peer, struct sk_buff_head *packets);
void send_staged(struct fg_peer *peer);
void send_purge(struct fg_peer *peer);
void send_scrub(struct sk_buff *skb);
void send_keepalive(struct fg_peer *peer);
bool send_queue_initiation(struct fg_peer *peer, bool retry);
void send_initiation_work(struct work_struct *work);
void send_response(struct fg_peer *peer, struct sk_buff *skb);
void send_cookie(struct fg_device *device, const struct sk_buff *msg, const struct endpoint *to,
		 const struct noise_source *source);
struct sk_buff *send_alloc_handshake(size_t len);

#endif /* _FORKGUARD_SEND_H */
