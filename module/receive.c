// SPDX-License-Identifier: GPL-2.0
/* receive: opens data messages on the CPU where they arrive, and hands them to the stack. */

#include "receive.h"
#include "answer.h"
#include "drops.h"
#include "peer.h"
#include "send.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/scatterlist.h>
#include <linux/udp.h>
#include <net/dsfield.h>
#include <net/inet_ecn.h>
#include <net/ip_tunnels.h>

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
 * Fit the skb to the inner packet, and carry congestion marks over from the outer DS
 * field, @ds. That field is not authenticated: an invalid mark is ignored, and drops
 * nothing. Returns 0; -EPROTONOSUPPORT if it is not an IP packet; -EMSGSIZE if its
 * length is wrong; or -ENOMEM.
 */
static int fwg_fit_packet(struct sk_buff *skb, u8 ds)
{
	unsigned int len;

	if (!pskb_may_pull(skb, sizeof(struct iphdr)))
		return -EPROTONOSUPPORT;
	skb_reset_network_header(skb);
	if (ip_hdr(skb)->version == 4) {
		len = ntohs(ip_hdr(skb)->tot_len);
		if (len < sizeof(struct iphdr) || len > skb->len)
			return -EMSGSIZE;
		skb->protocol = htons(ETH_P_IP);
		INET_ECN_decapsulate(skb, ds, ip_hdr(skb)->tos);
		return pskb_trim(skb, len);
	}
	if (ip_hdr(skb)->version == 6 && pskb_may_pull(skb, sizeof(struct ipv6hdr))) {
		len = ntohs(ipv6_hdr(skb)->payload_len) + sizeof(struct ipv6hdr);
		if (len > skb->len)
			return -EMSGSIZE;
		skb->protocol = htons(ETH_P_IPV6);
		INET_ECN_decapsulate(skb, ds, ipv6_get_dsfield(ipv6_hdr(skb)));
		return pskb_trim(skb, len);
	}
	return -EPROTONOSUPPORT;
}

/* Count an authentic packet that can't be delivered: the peer's fault, except for -ENOMEM. */
static void fwg_count_unfit(struct fwg_peer *peer, int err)
{
	struct net_device *dev = peer->device->dev;

	fwg_peer_debug(peer, "data that is no IP packet: %pe\n", ERR_PTR(err));
	if (err == -ENOMEM) {
		fwg_drops_count(peer->device, FORKGUARD_DROP_A_RX_NO_MEMORY);
		return;
	}
	fwg_drops_count(peer->device, FORKGUARD_DROP_A_RX_NOT_IP);
	DEV_STATS_INC(dev, rx_errors);
	if (err == -EMSGSIZE)
		DEV_STATS_INC(dev, rx_length_errors);
	else
		DEV_STATS_INC(dev, rx_frame_errors);
}

/* Hand an inner packet to the stack, if the peer may send it. */
static void fwg_deliver(struct fwg_peer *peer, struct sk_buff *skb, u8 ds)
{
	struct net_device *dev = peer->device->dev;
	size_t len = skb->len + sizeof(struct message_data) + NOISE_TAG_LEN;
	int err;

	/* The outer packet's metadata does not hold for the inner one. */
	fwg_send_scrub(skb);
	skb_clear_hash(skb);
	skb_set_queue_mapping(skb, 0);
	skb->dev = dev;
	err = fwg_fit_packet(skb, ds);
	if (unlikely(err)) {
		fwg_count_unfit(peer, err);
		goto drop;
	}
	if (unlikely(fwg_allowedips_lookup_src(&peer->device->allowedips, skb) != peer)) {
		fwg_peer_debug(peer, "packet whose source is not among the allowed IPs\n");
		fwg_drops_count(peer->device, FORKGUARD_DROP_A_RX_WRONG_SOURCE);
		DEV_STATS_INC(dev, rx_errors);
		DEV_STATS_INC(dev, rx_frame_errors);
		goto drop;
	}

	/* The packet is authentic, so its checksums need no check. */
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb->csum_level = ~0;
	skb_reset_mac_header(skb);
	skb_reset_transport_header(skb);
	if (unlikely(!fwg_inbound_add(&peer->device->inbound, skb))) {
		fwg_drops_count(peer->device, FORKGUARD_DROP_A_RX_QUEUE_FULL);
		DEV_STATS_INC(dev, rx_dropped);
		goto drop;
	}
	fwg_peer_count_received(peer, len);
	return;
drop:
	kfree_skb(skb);
}

/* Why a message could not be opened, by what fwg_open_message() returns. */
static enum forkguard_drop fwg_unopened(int err)
{
	switch (err) {
	case -ESTALE:
		return FORKGUARD_DROP_A_RX_STALE_SESSION;
	case -EBADMSG:
		return FORKGUARD_DROP_A_RX_FORGED;
	case -EALREADY:
		return FORKGUARD_DROP_A_RX_REPLAY;
	case -EMSGSIZE:
		return FORKGUARD_DROP_A_RX_MALFORMED;
	default:
		return FORKGUARD_DROP_A_RX_NO_MEMORY;
	}
}

static void fwg_receive_data(struct fwg_device *device, struct sk_buff *skb)
{
	const struct message_data *header = (const void *)skb->data;
	enum forkguard_drop reason;
	struct noise_session *session;
	struct endpoint from;
	struct fwg_peer *peer;
	int err;
	u8 ds;

	reason = FORKGUARD_DROP_A_RX_MALFORMED;
	if (unlikely(fwg_endpoint_from_skb(&from, skb)))
		goto drop;
	reason = FORKGUARD_DROP_A_RX_UNKNOWN_SESSION;
	session = fwg_noise_session_find(device->noise, header->receiver_index);
	if (unlikely(!session))
		goto drop;
	peer = fwg_noise_session_owner(session);
	ds = ip_tunnel_get_dsfield(ip_hdr(skb), skb);
	err = fwg_open_message(session, skb);
	if (unlikely(err)) {
		reason = fwg_unopened(err);
		goto drop;
	}

	fwg_path_set(&peer->path, &from);
	if (unlikely(fwg_noise_session_confirm(session))) {
		fwg_peer_debug(peer, "the new session is in use\n");
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
		fwg_peer_debug(peer, "keepalive\n");
		fwg_peer_count_received(peer, sizeof(*header) + NOISE_TAG_LEN);
		consume_skb(skb);
	}
	return;
drop:
	fwg_drops_message(device, skb, reason);
	kfree_skb(skb);
}

/* Pull the skb to the UDP payload, which has to be at least a data header long. */
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
 * fwg_receive_message() - take a message from a socket of a device
 * @sockets: the sockets
 * @skb: a UDP datagram; consumed
 *
 * Context: softirq, RCU read-side critical section.
 */
void fwg_receive_message(struct fwg_sockets *sockets, struct sk_buff *skb)
{
	struct fwg_device *device = container_of(sockets, struct fwg_device, sockets);

	skb = skb_share_check(skb, GFP_ATOMIC);
	if (unlikely(!skb)) {
		fwg_drops_count(device, FORKGUARD_DROP_A_RX_NO_MEMORY);
		return;
	}
	if (unlikely(fwg_pull_udp(skb)))
		goto drop;

	switch (le32_to_cpu(*(__le32 *)skb->data)) {
	case MESSAGE_DATA:
		if (unlikely(skb->len < sizeof(struct message_data) + NOISE_TAG_LEN))
			goto drop;
		fwg_receive_data(device, skb);
		return;
	case MESSAGE_INITIATION:
		fwg_answer_queue(device, skb, sizeof(struct message_initiation));
		return;
	case MESSAGE_RESPONSE:
		fwg_answer_queue(device, skb, sizeof(struct message_response));
		return;
	case MESSAGE_COOKIE:
		fwg_answer_queue(device, skb, sizeof(struct message_cookie));
		return;
	}
drop:
	fwg_drops_message(device, skb, FORKGUARD_DROP_A_RX_MALFORMED);
	kfree_skb(skb);
}
