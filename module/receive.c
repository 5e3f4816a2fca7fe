// SPDX-License-Identifier: GPL-2.0
/*
 * receive: data messages are opened where they arrive; handshake messages wait,
 * in a bounded queue, for a worker.
 */

#include "receive.h"
#include "compat.h"
#include "peer.h"
#include "send.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/scatterlist.h>
#include <linux/udp.h>
#include <net/dsfield.h>
#include <net/inet_ecn.h>
#include <net/ip_tunnels.h>

/**
 * struct receive_cb - what is kept of a handshake message while it waits
 * @from: where it came from
 */
struct receive_cb {
	struct endpoint from;
};

#define RECEIVE_CB(skb) ((struct receive_cb *)((skb)->cb))

/* To one source under load; six at once if it was silent. */
#define ANSWERS_PER_SECOND 20

static void fwg_count_received(struct fwg_peer *peer, size_t len)
{
	dev_sw_netstats_rx_add(peer->device->dev, len);
	atomic64_add(len, &peer->rx_bytes);
}

/* An authentic message moves the peer to where it came from. */
static void fwg_count_handshake(struct fwg_peer *peer, const struct sk_buff *skb)
{
	fwg_path_set(&peer->path, &RECEIVE_CB(skb)->from);
	local_bh_disable();
	fwg_count_received(peer, skb->len);
	local_bh_enable();
	fwg_timers_any_received(&peer->timers);
}

static void fwg_receive_initiation(struct fwg_device *device, const struct sk_buff *skb)
{
	const struct message_initiation *msg = (const void *)skb->data;
	struct sk_buff *response;
	struct fwg_peer *peer;

	response = fwg_send_alloc_handshake(sizeof(struct message_response));
	if (!response)
		return;
	if (fwg_noise_respond(device->noise, msg, (void *)response->data, &peer)) {
		kfree_skb(response);
		return;
	}
	fwg_count_handshake(peer, skb);
	fwg_send_response(peer, response);
	fwg_peer_put(peer);
}

static void fwg_receive_response(struct fwg_device *device, const struct sk_buff *skb)
{
	const struct message_response *msg = (const void *)skb->data;
	struct fwg_peer *peer;

	if (fwg_noise_finish(device->noise, msg, &peer))
		return;
	fwg_count_handshake(peer, skb);
	fwg_timers_session_derived(&peer->timers);
	fwg_timers_handshake_complete(&peer->timers);
	/* The responder sends nothing until it has heard us use the session. */
	fwg_send_keepalive(peer);
	fwg_peer_put(peer);
}

/* Too many messages have to wait, or had to a moment ago. */
static bool fwg_under_load(struct fwg_device *device)
{
	u64 now = ktime_get_coarse_boottime_ns();

	if (skb_queue_len_lockless(&device->handshakes) >= BUSY_QUEUED_HANDSHAKES)
		device->last_overload = now;
	return device->last_overload && now - device->last_overload < NSEC_PER_SEC;
}

static void fwg_source_of(const struct endpoint *from, struct noise_source *source)
{
	if (from->addr.sa_family == AF_INET) {
		ipv6_addr_set_v4mapped(from->addr4.sin_addr.s_addr, &source->addr);
		source->port = from->addr4.sin_port;
	} else {
		source->addr = from->addr6.sin6_addr;
		source->port = from->addr6.sin6_port;
	}
}

/* A token bucket for each source, which is a /64 if IPv6: it has proved that it is there. */
static bool fwg_within_rate(struct fwg_device *device, const struct noise_source *source)
{
	struct in6_addr prefix = source->addr;
	struct inet_peer *record;
	bool allowed;

	if (!ipv6_addr_v4mapped(&prefix))
		memset(&prefix.s6_addr32[2], 0, sizeof(u64));
	rcu_read_lock();
	record = compat_inet_getpeer(&device->answered, &prefix);
	allowed = record && inet_peer_xrlim_allow(record, HZ / ANSWERS_PER_SECOND);
	rcu_read_unlock();
	return allowed;
}

/*
 * Is a handshake message worth a Diffie-Hellman? Under load only if its sender
 * has shown, by a cookie, that it is where it says, and not too often.
 */
static bool fwg_may_be_answered(struct fwg_device *device, const struct sk_buff *skb)
{
	const struct endpoint *from = &RECEIVE_CB(skb)->from;
	struct noise_source source;

	if (!fwg_noise_mac1_valid(device->noise, skb->data, skb->len))
		return false;
	if (!fwg_under_load(device))
		return true;
	fwg_source_of(from, &source);
	if (fwg_noise_mac2_valid(device->noise, skb->data, skb->len, &source))
		return fwg_within_rate(device, &source);
	fwg_send_cookie(device, skb, from, &source);
	return false;
}

static void fwg_receive_handshake(struct fwg_device *device, const struct sk_buff *skb)
{
	switch (le32_to_cpu(*(const __le32 *)skb->data)) {
	case MESSAGE_COOKIE:
		fwg_noise_take_cookie(device->noise, (const void *)skb->data);
		break;
	case MESSAGE_INITIATION:
		if (fwg_may_be_answered(device, skb))
			fwg_receive_initiation(device, skb);
		break;
	case MESSAGE_RESPONSE:
		if (fwg_may_be_answered(device, skb))
			fwg_receive_response(device, skb);
		break;
	}
}

/**
 * fwg_receive_handshakes_work() - answer the handshake messages that wait
 * @work: handshake_work of a device
 */
void fwg_receive_handshakes_work(struct work_struct *work)
{
	struct fwg_device *device = container_of(work, struct fwg_device, handshake_work);
	struct sk_buff *skb;

	while ((skb = skb_dequeue(&device->handshakes))) {
		fwg_receive_handshake(device, skb);
		consume_skb(skb);
		cond_resched();
	}
}

static void fwg_queue_handshake(struct fwg_device *device, struct sk_buff *skb, size_t len)
{
	struct endpoint from;

	if (skb->len != len ||
	    skb_queue_len_lockless(&device->handshakes) >= MAX_QUEUED_HANDSHAKES ||
	    skb_linearize(skb) || fwg_endpoint_from_skb(&from, skb)) {
		DEV_STATS_INC(device->dev, rx_dropped);
		kfree_skb(skb);
		return;
	}
	BUILD_BUG_ON(sizeof(struct receive_cb) > sizeof(skb->cb));
	RECEIVE_CB(skb)->from = from;
	skb_orphan(skb);
	skb_queue_tail(&device->handshakes, skb);
	queue_work(device->wq, &device->handshake_work);
}

/*
 * Decrypt a data message in place; the inner packet remains. The outer network
 * header stays where it was.
 */
static int fwg_open_message(struct noise_session *session, struct sk_buff *skb)
{
	struct scatterlist sg[MAX_SKB_FRAGS + 8];
	struct message_data header;
	struct sk_buff *trailer;
	int frags, err;

	memcpy(&header, skb->data, sizeof(header));
	__skb_pull(skb, sizeof(header));
	frags = skb_cow_data(skb, 0, &trailer);
	if (unlikely(frags < 0))
		return frags;
	if (unlikely(frags > ARRAY_SIZE(sg)))
		return -EMSGSIZE;
	sg_init_table(sg, frags);
	err = skb_to_sgvec(skb, sg, 0, skb->len);
	if (unlikely(err < 0))
		return err;
	err = fwg_noise_open(session, sg, skb->len, &header);
	if (unlikely(err))
		return err;
	return pskb_trim(skb, skb->len - NOISE_TAG_LEN);
}

/*
 * Fit the skb to the inner packet, whose ECN field learns what the outer one, @ds,
 * has met on its way. Nobody vouches for that: a mark that the sender can't have
 * asked for changes nothing, and drops nothing. Returns false for no IP packet.
 */
static bool fwg_fit_packet(struct sk_buff *skb, u8 ds)
{
	unsigned int len;

	if (!pskb_may_pull(skb, sizeof(struct iphdr)))
		return false;
	skb_reset_network_header(skb);
	if (ip_hdr(skb)->version == 4) {
		len = ntohs(ip_hdr(skb)->tot_len);
		if (len < sizeof(struct iphdr) || len > skb->len || pskb_trim(skb, len))
			return false;
		skb->protocol = htons(ETH_P_IP);
		INET_ECN_decapsulate(skb, ds, ip_hdr(skb)->tos);
		return true;
	}
	if (ip_hdr(skb)->version == 6 && pskb_may_pull(skb, sizeof(struct ipv6hdr))) {
		len = ntohs(ipv6_hdr(skb)->payload_len) + sizeof(struct ipv6hdr);
		if (len > skb->len || pskb_trim(skb, len))
			return false;
		skb->protocol = htons(ETH_P_IPV6);
		INET_ECN_decapsulate(skb, ds, ipv6_get_dsfield(ipv6_hdr(skb)));
		return true;
	}
	return false;
}

/* Hand an inner packet to the stack, if the peer may send it. */
static void fwg_deliver(struct fwg_peer *peer, struct sk_buff *skb, u8 ds)
{
	struct net_device *dev = peer->device->dev;
	size_t len = skb->len + sizeof(struct message_data) + NOISE_TAG_LEN;

	/* What is known of the outer packet is not true of the inner one. */
	fwg_send_scrub(skb);
	skb_clear_hash(skb);
	skb_set_queue_mapping(skb, 0);
	skb->dev = dev;
	if (unlikely(!fwg_fit_packet(skb, ds))) {
		DEV_STATS_INC(dev, rx_errors);
		DEV_STATS_INC(dev, rx_length_errors);
		goto drop;
	}
	if (unlikely(fwg_allowedips_lookup_src(&peer->device->allowedips, skb) != peer)) {
		net_dbg_ratelimited("%s: packet with a source that its peer is not allowed\n",
				    dev->name);
		DEV_STATS_INC(dev, rx_errors);
		DEV_STATS_INC(dev, rx_frame_errors);
		goto drop;
	}

	/* It is authentic: its checksums need no look. */
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb->csum_level = ~0;
	skb_reset_mac_header(skb);
	skb_reset_transport_header(skb);
	if (likely(gro_cells_receive(&peer->device->gro, skb) == NET_RX_SUCCESS))
		fwg_count_received(peer, len);
	return;
drop:
	kfree_skb(skb);
}

static void fwg_receive_data(struct fwg_device *device, struct sk_buff *skb)
{
	const struct message_data *header = (const void *)skb->data;
	struct noise_session *session;
	struct endpoint from;
	struct fwg_peer *peer;
	u8 ds;

	session = fwg_noise_session_find(device->noise, header->receiver_index);
	if (unlikely(!session || fwg_endpoint_from_skb(&from, skb)))
		goto drop;
	peer = fwg_noise_session_owner(session);
	ds = ip_tunnel_get_dsfield(ip_hdr(skb), skb);
	if (unlikely(fwg_open_message(session, skb)))
		goto drop;

	fwg_path_set(&peer->path, &from);
	if (unlikely(fwg_noise_session_confirm(session))) {
		fwg_timers_handshake_complete(&peer->timers);
		fwg_send_staged(peer);
	}
	if (unlikely(fwg_noise_session_old_to_receive(session)))
		fwg_send_queue_initiation(peer, false);
	fwg_timers_any_received(&peer->timers);

	if (skb->len) {
		fwg_timers_data_received(&peer->timers);
		fwg_deliver(peer, skb, ds);
	} else {
		/* A keepalive. */
		fwg_count_received(peer, sizeof(*header) + NOISE_TAG_LEN);
		consume_skb(skb);
	}
	return;
drop:
	DEV_STATS_INC(device->dev, rx_dropped);
	kfree_skb(skb);
}

/* Make the UDP payload what the skb holds, at least a data message without data. */
static int fwg_pull_udp(struct sk_buff *skb)
{
	const size_t udp = sizeof(struct udphdr);
	size_t len;

	if (!pskb_may_pull(skb, skb_transport_offset(skb) + udp))
		return -EINVAL;
	__skb_pull(skb, skb_transport_offset(skb));
	len = ntohs(udp_hdr(skb)->len);
	if (len < udp || len > skb->len || pskb_trim(skb, len))
		return -EINVAL;
	__skb_pull(skb, udp);
	return pskb_may_pull(skb, sizeof(struct message_data)) ? 0 : -EINVAL;
}

/**
 * fwg_receive_message() - take what has come on a socket of a device
 * @sockets: the sockets
 * @skb: a UDP datagram; consumed
 *
 * Context: softirq, RCU read-side critical section.
 */
void fwg_receive_message(struct fwg_sockets *sockets, struct sk_buff *skb)
{
	struct fwg_device *device = container_of(sockets, struct fwg_device, sockets);

	skb = skb_share_check(skb, GFP_ATOMIC);
	if (unlikely(!skb))
		return;
	if (unlikely(fwg_pull_udp(skb)))
		goto drop;

	switch (le32_to_cpu(*(__le32 *)skb->data)) {
	case MESSAGE_DATA:
		if (unlikely(skb->len < sizeof(struct message_data) + NOISE_TAG_LEN))
			goto drop;
		fwg_receive_data(device, skb);
		return;
	case MESSAGE_INITIATION:
		fwg_queue_handshake(device, skb, sizeof(struct message_initiation));
		return;
	case MESSAGE_RESPONSE:
		fwg_queue_handshake(device, skb, sizeof(struct message_response));
		return;
	case MESSAGE_COOKIE:
		fwg_queue_handshake(device, skb, sizeof(struct message_cookie));
		return;
	}
drop:
	DEV_STATS_INC(device->dev, rx_errors);
	kfree_skb(skb);
}
