// SPDX-License-Identifier: GPL-2.0
/*
 * answer: handshake messages wait in a bounded queue for a worker, which answers
 * them. Under load it answers only senders whose cookie proves their address.
 */

#include "answer.h"
#include "compat.h"
#include "drops.h"
#include "peer.h"
#include "send.h"

/**
 * struct answer_cb - data about a handshake message while it waits
 * @from: the endpoint that it came from
 */
struct answer_cb {
	struct endpoint from;
};

#define ANSWER_CB(skb) ((struct answer_cb *)((skb)->cb))

/* To one source under load; up to six at once after a silence. */
#define ANSWERS_PER_SECOND 20

static void fwg_count_handshake(struct fwg_peer *peer, const struct sk_buff *skb)
{
	local_bh_disable();
	fwg_peer_count_received(peer, skb->len);
	local_bh_enable();
	fwg_timers_any_received(&peer->timers);
}

/* Log and count a message that was refused or could not be processed. */
static void fwg_refused(struct fwg_device *device, const struct sk_buff *skb, const char *what,
			int err)
{
	net_dbg_ratelimited("%s: %s from %pISpfsc refused: %pe\n", device->dev->name, what,
			    &ANSWER_CB(skb)->from.addr, ERR_PTR(err));
	fwg_drops_count(device, err == -ENOMEM ? FORKGUARD_DROP_A_RX_NO_MEMORY :
						 FORKGUARD_DROP_A_HS_REFUSED);
}

static void fwg_answer_initiation(struct fwg_device *device, const struct sk_buff *skb)
{
	const struct message_initiation *msg = (const void *)skb->data;
	struct sk_buff *response;
	struct fwg_peer *peer;
	int err = -ENOMEM;

	response = fwg_send_alloc_handshake(sizeof(struct message_response));
	if (response)
		err = fwg_noise_respond(device->noise, msg, (void *)response->data, &peer);
	if (err) {
		fwg_refused(device, skb, "initiation", err);
		kfree_skb(response);
		return;
	}
	/*
	 * R12: anybody can replay an initiation into a machine that has forgotten it. It
	 * is answered, but moves no endpoint; the first data of the new session does.
	 */
	fwg_path_set_first(&peer->path, &ANSWER_CB(skb)->from);
	fwg_count_handshake(peer, skb);
	fwg_peer_debug(peer, "initiation from %pISpfsc\n", &ANSWER_CB(skb)->from.addr);
	fwg_send_response(peer, response, &ANSWER_CB(skb)->from);
	fwg_peer_put(peer);
}

static void fwg_take_response(struct fwg_device *device, const struct sk_buff *skb)
{
	const struct message_response *msg = (const void *)skb->data;
	struct fwg_peer *peer;
	int err;

	err = fwg_noise_finish(device->noise, msg, &peer);
	if (err) {
		/* A genuine response fails like this when the preshared keys differ. */
		fwg_refused(device, skb,
			    err == -EBADMSG ? "response (do the preshared keys differ?)" :
					      "response",
			    err);
		return;
	}
	fwg_path_set(&peer->path, &ANSWER_CB(skb)->from);
	fwg_count_handshake(peer, skb);
	fwg_peer_debug(peer, "response: there is a new session\n");
	fwg_timers_session_derived(&peer->timers);
	fwg_timers_handshake_complete(&peer->timers);
	/* The responder sends no data until it has received some in the new session. */
	fwg_send_keepalive(peer);
	fwg_peer_put(peer);
}

/* Are too many messages waiting, or were they a moment ago? */
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

/* A token bucket for each source, which has proved its address; for IPv6, for each /64. */
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
 * Is a handshake message worth a Diffie-Hellman? Under load only if a cookie proves
 * its sender's address and the sender keeps to the rate; or if it answers an
 * initiation of ours: a hub that recovers with thousands of peers must not take
 * their responses for a flood.
 */
static bool fwg_may_be_answered(struct fwg_device *device, const struct sk_buff *skb)
{
	const struct endpoint *from = &ANSWER_CB(skb)->from;
	struct noise_source source;

	if (!fwg_noise_mac1_valid(device->noise, skb->data, skb->len)) {
		fwg_drops_message(device, skb, FORKGUARD_DROP_A_HS_BAD_MAC);
		return false;
	}
	if (!fwg_under_load(device))
		return true;
	if (*(const __le32 *)skb->data == cpu_to_le32(MESSAGE_RESPONSE) &&
	    fwg_noise_response_expected(device->noise, (const void *)skb->data))
		return true;
	fwg_source_of(from, &source);
	if (!fwg_noise_mac2_valid(device->noise, skb->data, skb->len, &source)) {
		fwg_drops_message(device, skb, FORKGUARD_DROP_A_HS_COOKIE_DEMANDED);
		fwg_send_cookie(device, skb, from, &source);
		return false;
	}
	if (!fwg_within_rate(device, &source)) {
		fwg_drops_message(device, skb, FORKGUARD_DROP_A_HS_RATE_LIMITED);
		return false;
	}
	return true;
}

static void fwg_take_cookie(struct fwg_device *device, const struct sk_buff *skb)
{
	int err = fwg_noise_take_cookie(device->noise, (const void *)skb->data);

	if (err)
		fwg_refused(device, skb, "cookie reply", err);
	else
		net_dbg_ratelimited("%s: cookie reply from %pISpfsc\n", device->dev->name,
				    &ANSWER_CB(skb)->from.addr);
}

static void fwg_answer(struct fwg_device *device, const struct sk_buff *skb)
{
	switch (le32_to_cpu(*(const __le32 *)skb->data)) {
	case MESSAGE_COOKIE:
		fwg_take_cookie(device, skb);
		break;
	case MESSAGE_INITIATION:
		if (fwg_may_be_answered(device, skb))
			fwg_answer_initiation(device, skb);
		break;
	case MESSAGE_RESPONSE:
		if (fwg_may_be_answered(device, skb))
			fwg_take_response(device, skb);
		break;
	}
}

/**
 * fwg_answer_work() - answer the queued handshake messages
 * @work: handshake_work of a device
 */
void fwg_answer_work(struct work_struct *work)
{
	struct fwg_device *device = container_of(work, struct fwg_device, handshake_work);
	struct sk_buff *skb;

	while ((skb = skb_dequeue(&device->handshakes))) {
		fwg_answer(device, skb);
		consume_skb(skb);
		cond_resched();
	}
}

/**
 * fwg_answer_queue() - queue a handshake message to be answered
 * @device: the device that it was sent to
 * @skb: the message; consumed
 * @len: the length of a message of its type
 *
 * Context: softirq.
 */
void fwg_answer_queue(struct fwg_device *device, struct sk_buff *skb, size_t len)
{
	enum forkguard_drop reason;
	struct endpoint from;

	reason = FORKGUARD_DROP_A_RX_MALFORMED;
	if (skb->len != len || fwg_endpoint_from_skb(&from, skb))
		goto drop;
	reason = FORKGUARD_DROP_A_HS_QUEUE_FULL;
	if (skb_queue_len_lockless(&device->handshakes) >= MAX_QUEUED_HANDSHAKES)
		goto drop;
	reason = FORKGUARD_DROP_A_RX_NO_MEMORY;
	if (skb_linearize(skb))
		goto drop;
	BUILD_BUG_ON(sizeof(struct answer_cb) > sizeof(skb->cb));
	ANSWER_CB(skb)->from = from;
	skb_orphan(skb);
	skb_queue_tail(&device->handshakes, skb);
	queue_work(device->answer_wq, &device->handshake_work);
	return;
drop:
	fwg_drops_message(device, skb, reason);
	kfree_skb(skb);
}
