// SPDX-License-Identifier: GPL-2.0
/*
 * packet_deliver: passes messages to fwg_receive_message(), as a socket does, and
 * checks what becomes of them. This is the model: it knows which messages were
 * accepted before, which sessions have ended, and what each peer may send.
 */

#include "packet.h"
#include "answer.h"
#include "receive.h"

#include <linux/interrupt.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/inet_ecn.h>

static bool in_prefix(const struct prefix *prefix, const u8 *addr)
{
	unsigned int bit;

	for (bit = 0; bit < prefix->cidr; bit++) {
		if ((prefix->addr[bit / 8] ^ addr[bit / 8]) & (0x80 >> bit % 8))
			return false;
	}
	return true;
}

static int model_owner(int family, const u8 *addr)
{
	const struct prefix *best = NULL, *prefix;

	for (prefix = world_prefixes; prefix < world_prefixes + PREFIXES; prefix++) {
		if (prefix->family == family && in_prefix(prefix, addr) &&
		    (!best || prefix->cidr > best->cidr))
			best = prefix;
	}
	return best ? best->peer : -1;
}

/* How many bytes of a plaintext are delivered if a peer sends it. */
static size_t model_delivered(const u8 *inner, size_t len, int peer)
{
	size_t total;

	if (len < 20)
		return 0;
	if (inner[0] >> 4 == 4) {
		total = inner[2] << 8 | inner[3];
		return total >= 20 && total <= len && model_owner(AF_INET, inner + 12) == peer ?
			       total :
			       0;
	}
	total = (inner[4] << 8 | inner[5]) + 40;
	return inner[0] >> 4 == 6 && len >= 40 && total <= len &&
			       model_owner(AF_INET6, inner + 8) == peer ?
		       total :
		       0;
}

static int slot_of(const struct view *view, int peer, u32 index)
{
	int i;

	for (i = 0; i < FUZZ_SLOTS; i++) {
		if (index && view->peers[peer].noise.index[i] == index)
			return i;
	}
	return -1;
}

static int session_of(u32 index)
{
	int i;

	for (i = 0; i < world->num_sessions; i++) {
		if (world->sessions[i].index == index)
			return i;
	}
	return -1;
}

static bool is_taken(u32 index, u64 counter)
{
	unsigned int i;

	for (i = 0; i < min_t(unsigned int, world->num_taken, TAKEN); i++) {
		if (world->taken[i].index == index && world->taken[i].counter == counter)
			return true;
	}
	return false;
}

/**
 * deliver_note_sessions() - remember new sessions
 * @view: the state in which to look for them
 */
void deliver_note_sessions(const struct view *view)
{
	int i, slot;

	for (i = 0; i < PEERS; i++) {
		for (slot = 0; slot < FUZZ_SLOTS; slot++) {
			u32 index = view->peers[i].noise.index[slot];

			if (!index || session_of(index) >= 0 || world->num_sessions >= SESSIONS)
				continue;
			world->sessions[world->num_sessions].index = index;
			world->sessions[world->num_sessions].era = world->ends[i].era;
			world->sessions[world->num_sessions++].age = 0;
		}
	}
}

static void finish_work(struct work_struct *work)
{
	if (work_busy(work))
		flush_work(work);
}

static void stop_if_due(struct timer_list *timer)
{
	if (timer_pending(timer) && time_before(timer->expires, jiffies + 2 * SLOW))
		del_timer(timer);
}

/* A peer must do nothing on its own while a message is delivered. */
static void stop_timers(struct fwg_peer *peer)
{
	stop_if_due(&peer->timers.retransmit_handshake);
	stop_if_due(&peer->timers.send_keepalive);
	stop_if_due(&peer->timers.new_handshake);
	stop_if_due(&peer->timers.zero_sessions);
	stop_if_due(&peer->timers.persistent_keepalive);
	stop_if_due(&peer->timers.recover);
}

/**
 * deliver_settle() - wait until all work is done
 */
void deliver_settle(void)
{
	struct work_struct *handshakes = &world->device->handshake_work;
	int i;

	/* Softirqs may have been left to their thread. */
	while (local_softirq_pending())
		schedule();
	/* Do the worker's work here: switching threads would take longer. */
	if (cancel_work_sync(handshakes))
		fwg_answer_work(handshakes);
	for (i = 0; i < PEERS; i++)
		finish_work(&world->ends[i].ours->initiation_work);
	if (world->forked)
		world_settle_resets();
}

enum verdict {
	MAY,
	MUST,
	MUST_NOT
};

/* The expected result of a message that is delivered unchanged. */
static enum verdict judge(const struct message *message, const struct view *view, bool fresh)
{
	const struct message_data *header = (const void *)message->bytes;
	const u32 index = (__force u32)header->receiver_index;
	unsigned int era = world->ends[message->peer].era;
	int slot, session;

	if (message->taken || message->peer == STRANGER || !world->identity)
		return MUST_NOT;
	switch (message->kind) {
	case INITIATION:
		return fresh ? MUST : MAY;
	case RESPONSE:
	case COOKIE:
		return message->era != era ? MUST_NOT : fresh ? MUST : MAY;
	case DATA:
		slot = slot_of(view, message->peer, index);
		session = session_of(index);
		if (slot < 0 || message->counter >= REJECT_AFTER_MESSAGES ||
		    is_taken(index, message->counter))
			return MUST_NOT;
		if (session < 0)
			return MAY;
		if (world->sessions[session].era != era ||
		    world->sessions[session].age >= REJECT_AFTER_TIME)
			return MUST_NOT;
		/* Older than the replay window. */
		if (message->counter + 8192 - BITS_PER_LONG <
		    view->peers[message->peer].noise.next[slot])
			return MUST_NOT;
		return world->sessions[session].age < REJECT_AFTER_TIME - 1 &&
				       world->num_taken < TAKEN ?
			       MUST :
			       MAY;
	default:
		return MUST_NOT;
	}
}

/* Move all but the first @linear bytes to pages, or to other skbs. */
static bool scatter(struct sk_buff *skb, unsigned int linear, bool list)
{
	unsigned int rest = skb->len - linear, done = 0, n, i;
	struct sk_buff *frag;
	struct page *page;

	if (skb->len <= linear)
		return true;
	if (list) {
		frag = alloc_skb(rest, GFP_KERNEL);
		if (!frag)
			return false;
		skb_copy_bits(skb, linear, skb_put(frag, rest), rest);
		skb_trim(skb, linear);
		skb_shinfo(skb)->frag_list = frag;
		skb->len += rest;
		skb->data_len += rest;
		skb->truesize += frag->truesize;
		return true;
	}
	page = alloc_page(GFP_KERNEL);
	if (!page)
		return false;
	skb_copy_bits(skb, linear, page_address(page), rest);
	skb_trim(skb, linear);
	for (i = 0; done < rest; i++, done += n) {
		n = i < 2 ? rest / 3 + 1 : rest - done;
		n = min(n, rest - done);
		if (i)
			get_page(page);
		skb_add_rx_frag(skb, i, page, done, n, n);
	}
	return true;
}

static void put_address(u8 *addr, u8 choice, bool v6)
{
	static const u8 net4[] = { 192, 0, 2 }, net6[] = { 0x20, 1, 0xd, 0xb8 };

	memset(addr, 0, v6 ? 16 : 4);
	switch (choice >> 6) {
	case 0: /* ourselves, or unspecified */
		addr[v6 ? 15 : 3] = choice & 1;
		if (!v6)
			addr[0] = choice & 1 ? 127 : 0;
		break;
	case 1: /* multicast, or link local */
		addr[0] = v6 ? (choice & 1 ? 0xff : 0xfe) : 224;
		addr[1] = v6 ? (choice & 1 ? 0x02 : 0x80) : 0;
		addr[v6 ? 15 : 3] = 1;
		break;
	default:
		memcpy(addr, v6 ? net6 : net4, v6 ? sizeof(net6) : sizeof(net4));
		addr[v6 ? 15 : 3] = choice;
	}
}

/* Make the datagram, beginning with its transport header, as a socket gets it. */
static struct sk_buff *datagram(const u8 *payload, size_t len, const struct delivery *way)
{
	bool v6 = way->how & HOW_IPV6;
	size_t network = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	struct sk_buff *skb = alloc_skb(network + sizeof(struct udphdr) + len, GFP_KERNEL);
	struct udphdr *udp;
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (!skb)
		return NULL;
	skb_reset_network_header(skb);
	if (v6) {
		ip6 = skb_put_zero(skb, network);
		ip6->version = 6;
		ip6->nexthdr = IPPROTO_UDP;
		ip6->payload_len = htons(sizeof(*udp) + len);
		ipv6_change_dsfield(ip6, 0, way->ds);
		put_address((u8 *)&ip6->saddr, way->source, true);
		put_address((u8 *)&ip6->daddr, 0x80 | 1, true);
		skb->protocol = htons(ETH_P_IPV6);
	} else {
		ip = skb_put_zero(skb, network);
		ip->version = 4;
		ip->ihl = 5;
		ip->protocol = IPPROTO_UDP;
		ip->tot_len = htons(network + sizeof(*udp) + len);
		ip->tos = way->ds;
		put_address((u8 *)&ip->saddr, way->source, false);
		put_address((u8 *)&ip->daddr, 0x80 | 1, false);
		skb->protocol = htons(ETH_P_IP);
	}
	skb_set_transport_header(skb, network);
	udp = skb_put_zero(skb, sizeof(*udp));
	udp->source = htons(way->source);
	udp->len = htons(way->udp_len);
	skb_put_data(skb, payload, len);
	skb->dev = world->link;
	skb->skb_iif = world->link->ifindex;
	if (way->how & (HOW_FRAGS | HOW_FRAG_LIST) &&
	    !scatter(skb, network + way->linear, way->how & HOW_FRAG_LIST)) {
		kfree_skb(skb);
		return NULL;
	}
	__skb_pull(skb, network);
	return skb;
}

/*
 * Is the payload the message, in all parts that are authenticated? In a handshake
 * message only MAC1 protects the sender index, and MAC2, with a cookie, is not
 * required.
 */
static bool is_intact(const struct message *message, const u8 *payload, size_t len)
{
	const struct message_initiation *given = (const void *)payload;
	static u8 copy[MESSAGE_MAX];

	if (message->kind == RAW || len != message->len)
		return false;
	memcpy(copy, message->bytes, len);
	if (message->kind == DATA || message->kind == COOKIE)
		return !memcmp(copy, payload, len);
	if (((struct message_initiation *)copy)->sender_index != given->sender_index) {
		((struct message_initiation *)copy)->sender_index = given->sender_index;
		world_add_mac1(copy, len);
	}
	return !memcmp(copy, payload, len - MESSAGE_MAC_LEN);
}

static void inject(struct sk_buff *skb)
{
	local_bh_disable();
	rcu_read_lock();
	fwg_receive_message(&world->device->sockets, skb);
	rcu_read_unlock();
	/* Now GRO delivers its packets. */
	local_bh_enable();
	deliver_settle();
}

/* A message was accepted: neither it nor another with its counter may be accepted again. */
static void take(struct message *message)
{
	const struct message_data *header = (const void *)message->bytes;

	message->taken = true;
	if (message->kind != DATA)
		return;
	world->taken[world->num_taken % TAKEN].index = (__force u32)header->receiver_index;
	world->taken[world->num_taken++ % TAKEN].counter = message->counter;
}

/* Check what an accepted message may change, and what it must. */
static void check_taken(const struct message *message, const struct delivery *way)
{
	const struct view *before = &world->before, *after = &world->after;
	const struct endpoint *endpoint = &after->peers[message->peer].endpoint;
	const struct endpoint *known = &before->peers[message->peer].endpoint;
	size_t delivered;
	int other;

	if (message->kind == COOKIE || (message->kind == INITIATION && known->addr.sa_family)) {
		/*
		 * The sender of a cookie reply has seen a message of ours, but need not be
		 * the peer. An initiation may be a replay in a clone (R12).
		 */
		FUZZ_EXPECT(!memcmp(endpoint, known, sizeof(*endpoint)));
	} else {
		FUZZ_EXPECT(endpoint->addr.sa_family == (way->how & HOW_IPV6 ? AF_INET6 : AF_INET));
		FUZZ_EXPECT(endpoint->addr4.sin_port == htons(way->source));
	}
	for (other = 0; other < PEERS; other++) {
		if (other != message->peer)
			FUZZ_EXPECT(!memcmp(&before->peers[other], &after->peers[other],
					    sizeof(before->peers[other])));
	}
	if (message->kind != DATA)
		return;
	delivered = model_delivered(message->inner, message->inner_len, message->peer);
	FUZZ_EXPECT(after->delivered - before->delivered == !!delivered);
}

/* Compare the result of a message with the expected one. */
static void compare(struct message *message, const struct delivery *way, enum verdict verdict,
		    bool in_time)
{
	const struct view *before = &world->before, *after = &world->after;
	bool changed = memcmp(before, after, sizeof(*before));

	fuzz_count("messages");
	fuzz_feature(1024 +
		     (((message->kind * 4 + verdict) * 2 + changed) * 8 +
		      (after->sent - before->sent) * 2 + after->delivered - before->delivered));
	if (!in_time || world->forked) {
		/* A timer may have run meanwhile, or the reset that the fork led to. */
		fuzz_count(world->forked ? "messages after a fork" : "messages too slow to judge");
		FUZZ_EXPECT(verdict != MUST_NOT || after->delivered == before->delivered);
		if (changed && verdict != MUST_NOT)
			take(message);
		return;
	}
	if ((verdict == MUST_NOT && changed) || (verdict == MUST && !changed))
		pr_err("fuzz: kind %d of peer %d, %zu bytes, how %#x, source %#x, counter %#llx\n",
		       message->kind, message->peer, message->len, way->how, way->source,
		       message->counter);
	if (verdict == MUST_NOT) {
		FUZZ_EXPECT(!changed);
		fuzz_count("messages that had to be refused");
	} else if (verdict == MUST) {
		FUZZ_EXPECT(changed);
		fuzz_count("messages that had to be accepted");
	}
	if (!changed || verdict == MUST_NOT)
		return;
	take(message);
	check_taken(message, way);
	if (after->delivered != before->delivered)
		fuzz_count("packets delivered");
}

/* A clone of the skb must be unchanged. */
static void check_clone(struct sk_buff *clone, size_t len)
{
	static u8 copy[MESSAGE_MAX];

	FUZZ_EXPECT(clone->len == sizeof(struct udphdr) + len);
	if (!skb_copy_bits(clone, sizeof(struct udphdr), copy, len))
		FUZZ_EXPECT(!memcmp(copy, world->payload, len));
	kfree_skb(clone);
}

/**
 * deliver_payload() - deliver @world->payload, and check the result
 * @message: the message that it is, or from which it was made
 * @len: length of the payload
 * @way: how it is delivered
 * @fresh: the message was made just now
 */
void deliver_payload(struct message *message, size_t len, const struct delivery *way, bool fresh)
{
	size_t effective = min_t(size_t, len, way->udp_len - sizeof(struct udphdr));
	unsigned long start = jiffies;
	enum verdict verdict = MUST_NOT;
	struct sk_buff *skb, *clone = NULL;
	u64 resets;
	int i;

	if (way->udp_len - sizeof(struct udphdr) > len || way->udp_len < sizeof(struct udphdr))
		effective = 0;
	skb = datagram(world->payload, len, way);
	if (!skb)
		return;
	for (i = 0; i < PEERS; i++)
		stop_timers(world->ends[i].ours);
	deliver_settle();
	resets = world->device->last_reset.count;
	world_look(&world->before);
	if (is_intact(message, world->payload, effective))
		verdict = judge(message, &world->before, fresh);
	memset(&world->expected, 0, sizeof(world->expected));
	if (verdict != MUST_NOT && message->kind == DATA) {
		world->expected.bytes = message->inner;
		world->expected.len =
			model_delivered(message->inner, message->inner_len, message->peer);
		world->expected.ecn = way->ds & INET_ECN_MASK;
	}
	if (way->how & HOW_CLONED)
		clone = skb_clone(skb, GFP_KERNEL);
	inject(skb);
	world_look(&world->after);
	if (clone)
		check_clone(clone, len);
	compare(message, way, verdict, jiffies - start < SLOW);
	world->forked &= world->device->last_reset.count == resets;
	deliver_note_sessions(&world->after);
}
