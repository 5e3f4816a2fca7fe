// SPDX-License-Identifier: GPL-2.0
/*
 * send: stage, seal, hand to the socket.
 *
 * Packets wait in the peer's staged queue while there is no usable session.
 * They leave it in lists, are sealed by fwg_noise_seal(), and only then, as
 * ciphertext, go on to the socket.
 */

#include "send.h"
#include "drops.h"
#include "generation.h"
#include "peer.h"

#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/scatterlist.h>
#include <linux/timekeeping.h>
#include <linux/udp.h>

/* AF41, plus ECN not-ECT: handshakes are urgent. */
#define HANDSHAKE_DS 0x88

#define OUTER_HEADROOM (sizeof(struct ipv6hdr) + sizeof(struct udphdr) + LL_MAX_HEADER)
#define DATA_HEADROOM ALIGN(sizeof(struct message_data) + OUTER_HEADROOM, 4)

/* How many initiations in a row forks may void before a timer takes over. */
#define FORK_RETRIES 3

/**
 * fwg_send_alloc_handshake() - allocate a handshake message
 * @len: its length
 *
 * Context: process.
 * Return: the message, zeroed, with room for headers; or NULL.
 */
struct sk_buff *fwg_send_alloc_handshake(size_t len)
{
	struct sk_buff *skb = alloc_skb(len + OUTER_HEADROOM, GFP_KERNEL);

	if (!skb)
		return NULL;
	skb_reserve(skb, OUTER_HEADROOM);
	skb_set_inner_network_header(skb, 0);
	skb_put_zero(skb, len);
	return skb;
}

/* Count a message that could not be sent, by the error of fwg_socket_send(). */
static void fwg_count_unsent(struct fwg_device *device, int err)
{
	switch (err) {
	case -EDESTADDRREQ:
		fwg_drops_count(device, FORKGUARD_DROP_A_TX_NO_ENDPOINT);
		break;
	case -ELOOP:
		/* Like too many nested tunnels, an error in how the interface was set up. */
		fwg_drops_count(device, FORKGUARD_DROP_A_TX_LOOP);
		DEV_STATS_INC(device->dev, tx_errors);
		break;
	default:
		fwg_drops_count(device, FORKGUARD_DROP_A_TX_NO_ROUTE);
	}
}

/* Send to a peer, and count what is sent and what can't be. */
static int fwg_send_to_peer(struct fwg_peer *peer, struct sk_buff *skb, u8 ds)
{
	size_t len = skb->len;
	int err = fwg_socket_send(&peer->device->sockets, &peer->path, skb, ds);

	if (likely(!err)) {
		atomic64_add(len, &peer->tx_bytes);
	} else {
		fwg_count_unsent(peer->device, err);
		fwg_peer_debug(peer, "no way there: %pe\n", ERR_PTR(err));
	}
	return err;
}

/* The same, back to the source of a message. @peer is NULL for a stranger. */
static void fwg_reply(struct fwg_device *device, struct fwg_peer *peer, const struct endpoint *to,
		      struct sk_buff *skb)
{
	size_t len = skb->len;
	int err = fwg_socket_reply(&device->sockets, to, skb, HANDSHAKE_DS);

	if (err) {
		fwg_count_unsent(device, err);
		net_dbg_ratelimited("%s: no way to %pISpfsc: %pe\n", device->dev->name, &to->addr,
				    ERR_PTR(err));
	} else if (peer) {
		atomic64_add(len, &peer->tx_bytes);
	}
}

static void fwg_send_initiation(struct fwg_peer *peer)
{
	struct message_initiation *msg;
	int tries = FORK_RETRIES;
	struct sk_buff *skb;
	int err = -ENOMEM;

	if (!fwg_timers_take_initiation(&peer->timers)) {
		/* The peer's initiation was answered meanwhile, but that handshake may fail. */
		fwg_timers_too_early(&peer->timers);
		return;
	}
	skb = fwg_send_alloc_handshake(sizeof(*msg));
	if (!skb)
		goto out;
	msg = (struct message_initiation *)skb->data;
	do {
		err = fwg_noise_initiate(peer->noise, msg);
	} while (err == -ESTALE && --tries);
	if (err) {
		kfree_skb(skb);
		goto out;
	}
	msg->type = cpu_to_le32(MESSAGE_INITIATION);
	fwg_noise_add_macs(peer->noise, msg, sizeof(*msg));
	fwg_timers_any_sent(&peer->timers);
	/* Before sending: the response stops the timer. */
	fwg_timers_initiated(&peer->timers);
	fwg_peer_debug(peer, "sending an initiation\n");
	fwg_send_to_peer(peer, skb, HANDSHAKE_DS);
	return;
out:
	fwg_peer_debug(peer, "no initiation sent: %pe\n", ERR_PTR(err));
	if (err == -ESTALE && !fwg_generation_is_frozen())
		fwg_timers_recover(&peer->timers, 0);
	else if (err != -ENOKEY) /* without an identity, a retry would fail, too */
		fwg_timers_initiated(&peer->timers);
}

/* The work item holds a reference on the peer. */
static void fwg_send_initiation_work(struct work_struct *work)
{
	struct fwg_peer *peer = container_of(work, struct fwg_peer, initiation_work);

	if (!READ_ONCE(peer->dead) && netif_running(peer->device->dev))
		fwg_send_initiation(peer);
	fwg_peer_put(peer);
}

/**
 * fwg_send_queue_initiation() - queue an initiation to a peer
 * @peer: the peer
 * @retry: true if the last one was not answered
 *
 * Context: any but hard interrupts.
 * Return: false if it is too early for another one. In a hurry, a timer then sends
 * it as soon as it may.
 */
bool fwg_send_queue_initiation(struct fwg_peer *peer, bool retry)
{
	if (!fwg_timers_initiation_wanted(&peer->timers, retry))
		return false;
	rcu_read_lock();
	if (!READ_ONCE(peer->dead) && fwg_peer_hold(peer) &&
	    !queue_work(peer->device->initiation_wq, &peer->initiation_work))
		fwg_peer_put(peer);
	rcu_read_unlock();
	return true;
}

/**
 * fwg_send_response() - send the response to an initiation
 * @peer: the initiator
 * @skb: the response, from fwg_noise_respond(); consumed
 * @to: where the initiation came from
 *
 * Context: process.
 */
void fwg_send_response(struct fwg_peer *peer, struct sk_buff *skb, const struct endpoint *to)
{
	struct message_response *msg = (struct message_response *)skb->data;

	msg->type = cpu_to_le32(MESSAGE_RESPONSE);
	fwg_noise_add_macs(peer->noise, msg, sizeof(*msg));
	fwg_timers_responded(&peer->timers);
	fwg_timers_session_derived(&peer->timers);
	fwg_timers_any_sent(&peer->timers);
	fwg_peer_debug(peer, "sending a response to %pISpfsc\n", &to->addr);
	fwg_reply(peer->device, peer, to, skb);
}

/**
 * fwg_send_cookie() - send a cookie reply instead of an answer
 * @device: the device, which is under load
 * @msg: the handshake message; its first MAC is valid
 * @to: where it seems to come from
 * @source: the same
 *
 * The reply is smaller than the message, so it can't amplify a flood.
 *
 * Context: process.
 */
void fwg_send_cookie(struct fwg_device *device, const struct sk_buff *msg,
		     const struct endpoint *to, const struct noise_source *source)
{
	/* Initiations and responses have their sender index in the same place. */
	const struct message_initiation *in = (const void *)msg->data;
	struct message_cookie *out;
	struct sk_buff *skb;

	skb = fwg_send_alloc_handshake(sizeof(*out));
	if (!skb)
		return;
	out = (struct message_cookie *)skb->data;
	if (fwg_noise_give_cookie(device->noise, msg->data, msg->len, source, out)) {
		kfree_skb(skb);
		return;
	}
	out->type = cpu_to_le32(MESSAGE_COOKIE);
	out->receiver_index = in->sender_index;
	fwg_reply(device, NULL, to, skb);
}

/* Pad to a multiple of 16, but not beyond the MTU. The packet itself may exceed the MTU. */
static unsigned int fwg_padding_of(const struct sk_buff *skb)
{
	unsigned int mtu = SEND_CB(skb)->mtu;
	unsigned int last = skb->len;

	if (!mtu)
		return ALIGN(last, MESSAGE_PADDING) - last;
	if (last > mtu)
		last %= mtu;
	return min_t(unsigned int, mtu, ALIGN(last, MESSAGE_PADDING)) - last;
}

/*
 * Make a packet a data message, in place. Returns as fwg_noise_seal(); on -EAGAIN the
 * packet is unchanged.
 */
static noinline_for_stack int fwg_seal_packet(struct noise_session *session, struct sk_buff *skb)
{
	struct scatterlist sg[MAX_SKB_FRAGS + 8];
	unsigned int padding = fwg_padding_of(skb), tail = padding + NOISE_TAG_LEN;
	unsigned int len = skb->len + padding;
	struct message_data *header;
	struct sk_buff *trailer;
	int frags, err;

	/* The hash of the inner flow, for queueing the outer packet. */
	skb_get_hash(skb);
	if (skb->ip_summed == CHECKSUM_PARTIAL && unlikely(skb_checksum_help(skb)))
		return -EINVAL;
	frags = skb_cow_data(skb, tail, &trailer);
	if (unlikely(frags < 0))
		return frags;
	if (unlikely(frags > ARRAY_SIZE(sg)))
		return -EMSGSIZE;
	if (unlikely(skb_cow_head(skb, DATA_HEADROOM)))
		return -ENOMEM;

	header = skb_push(skb, sizeof(*header));
	/* From here on it is counted. */
	skb_reset_inner_network_header(skb);
	memset(skb_tail_pointer(trailer), 0, padding);
	pskb_put(skb, trailer, tail);
	sg_init_table(sg, frags);
	err = skb_to_sgvec(skb, sg, sizeof(*header), len + NOISE_TAG_LEN);
	if (likely(err >= 0))
		err = fwg_noise_seal(session, sg, len, header);
	if (unlikely(err == -EAGAIN)) {
		__skb_pull(skb, sizeof(*header));
		err = pskb_trim(skb, skb->len - tail) ?: -EAGAIN;
	}
	return err;
}

/**
 * fwg_send_scrub() - clear the metadata of a packet that was sealed or opened
 * @skb: the packet
 *
 * Metadata of the inner packet, such as its security mark or a confirmed neighbour,
 * does not hold for the outer one, nor the other way round. The flow hash and the
 * time to send stay.
 */
void fwg_send_scrub(struct sk_buff *skb)
{
	skb_scrub_packet(skb, true);
	skb_reset_redirect(skb);
	skb_init_secmark(skb);
	skb_set_dst_pending_confirm(skb, 0);
	__vlan_hwaccel_clear_tag(skb);
	skb->encapsulation = 0;
	skb->priority = 0;
#ifdef CONFIG_NET_SCHED
	skb->tc_index = 0;
#endif
}

/* Send ciphertext. */
static void fwg_transmit(struct fwg_peer *peer, struct sk_buff_head *sealed)
{
	bool data_sent = false;
	struct sk_buff *skb;

	if (skb_queue_empty(sealed))
		return;
	fwg_timers_any_sent(&peer->timers);
	while ((skb = __skb_dequeue(sealed))) {
		bool keepalive = skb->len == sizeof(struct message_data) + NOISE_TAG_LEN;
		u8 ds = SEND_CB(skb)->ds;

		fwg_send_scrub(skb);
		skb->ip_summed = CHECKSUM_NONE;
		if (!fwg_send_to_peer(peer, skb, ds) && !keepalive)
			data_sent = true;
	}
	if (data_sent)
		fwg_timers_data_sent(&peer->timers);
}

/* Drop the oldest packets if too many wait. Each segment of a large packet counts. */
static void fwg_bound_staged(struct fwg_peer *peer)
{
	struct sk_buff *skb;

	lockdep_assert_held(&peer->staged.lock);

	while (skb_queue_len(&peer->staged) > MAX_STAGED_PACKETS) {
		skb = __skb_dequeue(&peer->staged);
		fwg_drops_count(peer->device, FORKGUARD_DROP_A_TX_QUEUE_FULL);
		DEV_STATS_INC(peer->device->dev, tx_dropped);
		kfree_skb(skb);
	}
}

/* No session: put the packets back to the head of the queue, and begin a handshake. */
static void fwg_wait_for_session(struct fwg_peer *peer, struct sk_buff_head *packets)
{
	struct sk_buff *skb;

	/* Free their senders' socket buffers while they wait. */
	skb_queue_walk(packets, skb)
		skb_orphan(skb);
	spin_lock(&peer->staged.lock);
	skb_queue_splice_init(packets, &peer->staged);
	fwg_bound_staged(peer);
	spin_unlock(&peer->staged.lock);
	fwg_send_queue_initiation(peer, false);
}

/* Returns false if packets are left for lack of a session. */
static bool fwg_send_all_staged(struct fwg_peer *peer, struct sk_buff_head *packets)
{
	struct noise_session *session;
	struct sk_buff_head sealed;
	struct sk_buff *skb;
	int err;

	__skb_queue_head_init(&sealed);
	spin_lock(&peer->staged.lock);
	skb_queue_splice_init(&peer->staged, packets);
	spin_unlock(&peer->staged.lock);
	if (skb_queue_empty(packets))
		return true;

	session = fwg_noise_session_current(peer->noise);
	while (session && (skb = __skb_dequeue(packets))) {
		err = fwg_seal_packet(session, skb);
		if (likely(!err)) {
			__skb_queue_tail(&sealed, skb);
		} else if (err == -EAGAIN) {
			__skb_queue_head(packets, skb);
			session = NULL;
		} else {
			fwg_drops_count(peer->device, err == -ESTALE ?
							      FORKGUARD_DROP_A_TX_FORKED :
							      FORKGUARD_DROP_A_TX_NO_MEMORY);
			DEV_STATS_INC(peer->device->dev, tx_errors);
			kfree_skb(skb);
		}
	}
	fwg_transmit(peer, &sealed);
	if (session) {
		if (unlikely(fwg_noise_session_old_to_send(session)))
			fwg_send_queue_initiation(peer, false);
		return true;
	}
	fwg_wait_for_session(peer, packets);
	return false;
}

/**
 * fwg_send_packets() - seal and send packets, after those that wait
 * @peer: the peer that they are for
 * @packets: the packets; empty on return
 *
 * Packets wait if there is no usable session, or if it is lost midway (R4). The others
 * are never in a shared queue: another CPU could take some of them from there, and
 * send them after later packets of this CPU.
 *
 * Context: any but hard interrupts.
 */
void fwg_send_packets(struct fwg_peer *peer, struct sk_buff_head *packets)
{
	local_bh_disable();
	rcu_read_lock();
	/* Another CPU may have got a session just before these packets began to wait. */
	while (!fwg_send_all_staged(peer, packets) && fwg_noise_peer_has_session(peer->noise))
		;
	rcu_read_unlock();
	local_bh_enable();
}

/**
 * fwg_send_staged() - seal and send the packets that wait
 * @peer: the peer that they are for
 *
 * Context: any but hard interrupts.
 */
void fwg_send_staged(struct fwg_peer *peer)
{
	struct sk_buff_head none;

	__skb_queue_head_init(&none);
	fwg_send_packets(peer, &none);
}

/**
 * fwg_send_keepalive() - send the packets that wait, or else an empty one
 * @peer: the peer
 *
 * Context: any but hard interrupts.
 */
void fwg_send_keepalive(struct fwg_peer *peer)
{
	struct sk_buff_head packets;
	struct sk_buff *skb;

	__skb_queue_head_init(&packets);
	/* A CPU that is filling or emptying the queue sends, too. */
	if (data_race(skb_queue_empty_lockless(&peer->staged))) {
		skb = alloc_skb(DATA_HEADROOM + NOISE_TAG_LEN, GFP_ATOMIC);
		if (!skb)
			return;
		skb_reserve(skb, DATA_HEADROOM);
		skb->dev = peer->device->dev;
		*SEND_CB(skb) = (struct send_cb){ .mtu = READ_ONCE(skb->dev->mtu) };
		__skb_queue_tail(&packets, skb);
		fwg_peer_debug(peer, "sending a keepalive\n");
	}
	fwg_send_packets(peer, &packets);
}

static bool fwg_may_run(const struct fwg_timers *timers)
{
	const struct fwg_peer *peer = container_of(timers, struct fwg_peer, timers);

	return !READ_ONCE(peer->dead) && netif_running(peer->device->dev);
}

static bool fwg_on_initiate(struct fwg_timers *timers, enum fwg_initiate_reason reason)
{
	struct fwg_peer *peer = container_of(timers, struct fwg_peer, timers);

	switch (reason) {
	case FWG_INITIATE_RETRY:
		fwg_peer_debug(peer, "handshake not answered in %d s, try %d\n", REKEY_TIMEOUT,
			       atomic_read(&timers->handshake_attempts) + 1);
		break;
	case FWG_INITIATE_SILENCE:
		fwg_peer_debug(peer, "data not answered in %d s, beginning a handshake\n",
			       KEEPALIVE_TIMEOUT + REKEY_TIMEOUT);
		break;
	case FWG_INITIATE_RECOVERY:
		fwg_peer_debug(peer, "beginning a handshake that could not begin at once\n");
		break;
	}
	/* Without an answer, we may have sent from the wrong address. */
	if (reason != FWG_INITIATE_RECOVERY)
		fwg_path_clear_source(&peer->path);
	return fwg_send_queue_initiation(peer, reason == FWG_INITIATE_RETRY);
}

static void fwg_on_keepalive(struct fwg_timers *timers)
{
	fwg_send_keepalive(container_of(timers, struct fwg_peer, timers));
}

static void fwg_on_give_up(struct fwg_timers *timers)
{
	struct fwg_peer *peer = container_of(timers, struct fwg_peer, timers);

	fwg_peer_debug(peer, "handshake not answered, giving up after %d tries\n",
		       atomic_read(&timers->handshake_attempts) + 1);
	fwg_peer_purge(peer);
}

static void fwg_on_expire(struct fwg_timers *timers)
{
	struct fwg_peer *peer = container_of(timers, struct fwg_peer, timers);

	fwg_peer_debug(peer, "no new session for %d s, wiping all\n", REJECT_AFTER_TIME * 3);
	fwg_noise_peer_clear(timers->noise);
}

/* What peers do on their own. */
const struct fwg_peer_ops fwg_send_peer_ops = {
	.timers = {
		.may_run = fwg_may_run,
		.initiate = fwg_on_initiate,
		.keepalive = fwg_on_keepalive,
		.give_up = fwg_on_give_up,
		.expire = fwg_on_expire,
	},
	.initiate = fwg_send_initiation_work,
};
