// SPDX-License-Identifier: GPL-2.0
/*
 * packet: an input is a program for the other ends of a device, and for who
 * is between: make a genuine message, change it, deliver it, deliver it again,
 * reset, let time pass. What must hold is said by FUZZ_EXPECT().
 *
 * The other ends are bare noise layers, one of them unknown to the device.
 * Messages are given to receive_message() as its socket does; what the device
 * sends is seen on fuzz0, a dummy interface, what it delivers by an rx_handler.
 */

#include "fuzz.h"
#include "fuzz_noise.h"
#include "generation.h"
#include "mac.h"
#include "peer.h"
#include "receive.h"
#include "send.h"
#include "timers.h"

#include <linux/interrupt.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <linux/udp.h>
#include <net/inet_ecn.h>

#define PEERS 3
#define STRANGER PEERS
#define STEPS 64
#define KEPT 16
#define MESSAGE_MAX 1792
#define INNER_MAX 1600
#define SESSIONS 32
#define TAKEN 32

/* What takes more ticks than this is not judged: a timer may have run meanwhile. */
#define SLOW 4

enum kind {
	RAW,
	INITIATION,
	RESPONSE,
	DATA
};

/* How a message is delivered. */
enum how {
	HOW_IPV6 = BIT(0),
	HOW_FRAGS = BIT(1),
	HOW_FRAG_LIST = BIT(2),
	HOW_CLONED = BIT(3),
	HOW_UDP_LEN = BIT(4),
	HOW_EDITED = BIT(5),
	HOW_RESIZED = BIT(6),
	HOW_NO_MAC = BIT(7),
};

/**
 * struct delivery - how a message is delivered
 * @how: see &enum how
 * @source: where it comes from
 * @ds: DS field of the IP header
 * @linear: how much of the datagram is not in fragments
 * @udp_len: what the UDP header says
 */
struct delivery {
	u8 how, source, ds;
	unsigned int linear, udp_len;
};

/**
 * struct message - a genuine message
 * @kind: which
 * @peer: from which peer
 * @era: of the peer when the device began the handshake that the message is from
 * @taken: has been accepted
 * @counter: of data
 * @inner_len: length of the plaintext
 * @len: length of the message
 * @inner: the plaintext
 * @bytes: the message
 */
struct message {
	enum kind kind;
	u8 peer;
	unsigned int era;
	bool taken;
	u64 counter;
	size_t inner_len, len;
	u8 inner[INNER_MAX];
	u8 bytes[MESSAGE_MAX];
};

/**
 * struct view - all that a message may change
 * @peers: what is known of each peer
 * @delivered: packets handed to the stack
 * @sent: messages sent
 */
struct view {
	struct {
		struct endpoint endpoint;
		struct fuzz_noise_state noise;
		u64 rx_bytes;
		struct timespec64 last_handshake;
	} peers[PEERS];
	unsigned int delivered, sent;
};

struct world {
	struct fg_device *device;
	struct net_device *link;
	struct packet_type tap;
	u8 private_key[NOISE_PUBLIC_KEY_LEN];
	bool identity, forked;
	u64 id[2];
	const u64 *saved_id;
	struct {
		struct fg_peer *ours; /* NULL for the stranger */
		struct noise_local *local;
		struct noise_peer *theirs;
		u8 public_key[NOISE_PUBLIC_KEY_LEN];
		unsigned int era; /* grows when all its sessions have ended */
		u64 counter;
	} ends[PEERS + 1];

	struct {
		u32 index;
		unsigned int era;
		unsigned int age;
	} sessions[SESSIONS];
	unsigned int num_sessions;
	struct {
		u32 index;
		u64 counter;
	} taken[TAKEN];
	unsigned int num_taken;

	struct message kept[KEPT];
	unsigned int num_kept;
	struct message_initiation initiation; /* the latest that the device has sent */
	bool has_initiation, has_response;
	unsigned int sent, delivered;

	/* What may be delivered now; @len is 0 for nothing. */
	struct {
		const u8 *bytes;
		size_t len;
		bool ce;
	} expected;
	u8 payload[MESSAGE_MAX];
	u8 key;
	/* Not on the stack, which KASAN walks for each allocation. */
	struct view before, after;
};

static struct world *world;

/* Who may send what; the first is moved between peers. */
static struct prefix {
	u8 peer, family, cidr;
	u8 addr[16];
} prefixes[] = {
	{ 1, AF_INET, 25, { 10, 0, 0, 128 } }, { 0, AF_INET, 24, { 10, 0, 0, 0 } },
	{ 1, AF_INET, 24, { 10, 0, 1, 0 } },   { 2, AF_INET, 0, {} },
	{ 0, AF_INET6, 64, { 0xfd } },	       { 1, AF_INET6, 128, { 0xfd, [15] = 1 } },
	{ 1, AF_INET6, 15, { 0xfe } },
};

static const u8 sources4[][4] = { { 10, 0, 0, 1 }, { 10, 0, 0, 129 }, { 10, 0, 1, 1 }, { 9 } };
static const u8 sources6[][16] = { { 0xfd, [15] = 2 },
				   { 0xfd, [15] = 1 },
				   { 0xff, [15] = 1 },
				   { 0x20, 1 } };

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

	for (prefix = prefixes; prefix < prefixes + ARRAY_SIZE(prefixes); prefix++) {
		if (prefix->family == family && in_prefix(prefix, addr) &&
		    (!best || prefix->cidr > best->cidr))
			best = prefix;
	}
	return best ? best->peer : -1;
}

/* How many bytes of a plaintext are delivered when a peer sends it. */
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

/* The plaintext of a message has come to the stack. */
static rx_handler_result_t on_delivered(struct sk_buff **pskb)
{
	struct sk_buff *skb = *pskb;
	const u8 *bytes = world->expected.bytes;
	static u8 copy[INNER_MAX];

	world->delivered++;
	FUZZ_EXPECT(world->expected.len == skb->len);
	if (world->expected.len == skb->len && !skb_copy_bits(skb, 0, copy, skb->len)) {
		if (world->expected.ce) {
			/* Marked, which changes the DS field and a checksum. */
			memcpy(copy, bytes, 2);
			if (copy[0] >> 4 == 4)
				memcpy(copy + 10, bytes + 10, 2);
		}
		FUZZ_EXPECT(!memcmp(copy, bytes, skb->len));
	}
	world->expected.len = 0;
	consume_skb(skb);
	return RX_HANDLER_CONSUMED;
}

/* The device sends. */
static int on_sent(struct sk_buff *skb, struct net_device *dev, struct packet_type *type,
		   struct net_device *orig_dev)
{
	const bool v6 = ip_hdr(skb)->version == 6;
	const u8 protocol = v6 ? ipv6_hdr(skb)->nexthdr : ip_hdr(skb)->protocol;
	const size_t at = skb_network_offset(skb) + sizeof(struct udphdr) +
			  (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	__le32 message_type;

	if (protocol == IPPROTO_UDP &&
	    !skb_copy_bits(skb, at, &message_type, sizeof(message_type))) {
		world->sent++;
		if (message_type == cpu_to_le32(MESSAGE_INITIATION))
			world->has_initiation = !skb_copy_bits(skb, at, &world->initiation,
							       sizeof(world->initiation));
		else if (message_type == cpu_to_le32(MESSAGE_RESPONSE))
			world->has_response = true;
	}
	kfree_skb(skb);
	return 0;
}

static void look(struct view *view)
{
	int i;

	memset(view, 0, sizeof(*view));
	for (i = 0; i < PEERS; i++) {
		struct fg_peer *peer = world->ends[i].ours;

		view->peers[i].endpoint = peer->endpoint;
		fuzz_noise_state(peer->noise, &view->peers[i].noise);
		view->peers[i].rx_bytes = atomic64_read(&peer->rx_bytes);
		view->peers[i].last_handshake = peer->last_handshake;
	}
	view->delivered = world->delivered;
	view->sent = world->sent;
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

/* Sessions that are new in what was seen. */
static void note_sessions(const struct view *view)
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

/* What a peer does by itself, it does not while a message is delivered. */
static void stop_timers(struct fg_peer *peer)
{
	stop_if_due(&peer->timers.retransmit_handshake);
	stop_if_due(&peer->timers.send_keepalive);
	stop_if_due(&peer->timers.new_handshake);
	stop_if_due(&peer->timers.zero_sessions);
	stop_if_due(&peer->timers.persistent_keepalive);
	stop_if_due(&peer->timers.recover);
}

/* Until nothing is under way. */
static void settle(void)
{
	struct work_struct *handshakes = &world->device->handshake_work;
	int i;

	/* Softirqs may have been left to their thread. */
	while (local_softirq_pending())
		schedule();
	/* What a worker would do, done here: a switch of threads takes longer than that. */
	if (cancel_work_sync(handshakes))
		receive_handshakes_work(handshakes);
	for (i = 0; i < PEERS; i++)
		finish_work(&world->ends[i].ours->initiation_work);
	if (world->forked)
		fuzz_settle_resets();
}

enum verdict {
	MAY,
	MUST,
	MUST_NOT
};

/* What is to become of a message that is delivered as it was made. */
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
		/* The window of a session that is about to be full may be a block larger. */
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

/* Move what is behind @linear bytes to pages, or to other skbs. */
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

/* The datagram, with its transport header in front, as a socket gets it. */
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

/* Whoever knows the device's public key can. */
static void fix_mac(u8 how, u8 *payload, size_t len, enum kind kind)
{
	if (!(how & HOW_NO_MAC) && kind != DATA && len >= sizeof(struct message_response))
		mac_add(payload, len, world->device->mac1_key);
}

/* Change @payload as the input says; returns its length. */
static size_t change(struct fuzz_input *in, u8 how, u8 *payload, size_t len, enum kind kind)
{
	unsigned int n;
	size_t pos;

	if (how & HOW_EDITED) {
		for (n = fuzz_u8(in) % 8 + 1; n; n--) {
			pos = fuzz_u16(in);
			if (pos < len)
				payload[pos] ^= fuzz_u8(in);
		}
	}
	if (how & HOW_RESIZED) {
		pos = fuzz_u16(in) % MESSAGE_MAX;
		if (pos > len)
			memset(payload + len, 0, pos - len);
		len = pos;
	}
	fix_mac(how, payload, len, kind);
	return len;
}

/*
 * Is what arrives the message that was sent, as far as anybody can tell? Of a
 * handshake message nothing vouches for the sender's index but the first MAC,
 * and the second MAC is of cookies, which nobody has.
 */
static bool is_intact(const struct message *message, const u8 *payload, size_t len)
{
	const struct message_initiation *given = (const void *)payload;
	static u8 copy[MESSAGE_MAX];

	if (message->kind == RAW || len != message->len)
		return false;
	memcpy(copy, message->bytes, len);
	if (message->kind == DATA)
		return !memcmp(copy, payload, len);
	if (((struct message_initiation *)copy)->sender_index != given->sender_index) {
		((struct message_initiation *)copy)->sender_index = given->sender_index;
		mac_add(copy, len, world->device->mac1_key);
	}
	return !memcmp(copy, payload, len - MESSAGE_MAC_LEN);
}

static void inject(struct sk_buff *skb)
{
	local_bh_disable();
	rcu_read_lock();
	receive_message(world->device, skb);
	rcu_read_unlock();
	/* Here GRO hands on what it has. */
	local_bh_enable();
	settle();
}

/* A message was accepted: it must not be again, nor another of its counter. */
static void take(struct message *message)
{
	const struct message_data *header = (const void *)message->bytes;

	message->taken = true;
	if (message->kind != DATA)
		return;
	world->taken[world->num_taken % TAKEN].index = (__force u32)header->receiver_index;
	world->taken[world->num_taken++ % TAKEN].counter = message->counter;
}

/* What an accepted message may do, and what it must. */
static void check_taken(const struct message *message, const struct delivery *way)
{
	const struct view *before = &world->before, *after = &world->after;
	const struct endpoint *endpoint = &after->peers[message->peer].endpoint;
	size_t delivered;
	int other;

	FUZZ_EXPECT(endpoint->addr.sa_family == (way->how & HOW_IPV6 ? AF_INET6 : AF_INET));
	FUZZ_EXPECT(endpoint->addr4.sin_port == htons(way->source));
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

/* What must have become of a message, and what has. */
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

/* Somebody else's skb stays as it was. */
static void check_clone(struct sk_buff *clone, size_t len)
{
	static u8 copy[MESSAGE_MAX];

	FUZZ_EXPECT(clone->len == sizeof(struct udphdr) + len);
	if (!skb_copy_bits(clone, sizeof(struct udphdr), copy, len))
		FUZZ_EXPECT(!memcmp(copy, world->payload, len));
	kfree_skb(clone);
}

/* Deliver @world->payload, which may be a message, and see what becomes of it. */
static void deliver_payload(struct message *message, size_t len, const struct delivery *way,
			    bool fresh)
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
	settle();
	resets = world->device->last_reset.count;
	look(&world->before);
	if (is_intact(message, world->payload, effective))
		verdict = judge(message, &world->before, fresh);
	memset(&world->expected, 0, sizeof(world->expected));
	if (verdict != MUST_NOT && message->kind == DATA) {
		world->expected.bytes = message->inner;
		world->expected.len =
			model_delivered(message->inner, message->inner_len, message->peer);
		world->expected.ce = INET_ECN_is_ce(way->ds);
	}
	if (way->how & HOW_CLONED)
		clone = skb_clone(skb, GFP_KERNEL);
	inject(skb);
	look(&world->after);
	if (clone)
		check_clone(clone, len);
	compare(message, way, verdict, jiffies - start < SLOW);
	world->forked &= world->device->last_reset.count == resets;
	note_sessions(&world->after);
}

static struct delivery choose_delivery(struct fuzz_input *in)
{
	struct delivery way = { .how = fuzz_u8(in), .source = fuzz_u8(in), .ds = fuzz_u8(in) };

	if (way.how & (HOW_FRAGS | HOW_FRAG_LIST))
		way.linear = fuzz_u8(in);
	return way;
}

/* Deliver a message, genuine or changed, in one way or another. */
static void deliver(struct fuzz_input *in, struct message *message, bool fresh)
{
	struct delivery way = choose_delivery(in);
	size_t len;

	memcpy(world->payload, message->bytes, message->len);
	len = change(in, way.how, world->payload, message->len, message->kind);
	way.udp_len = sizeof(struct udphdr) + len;
	if (way.how & HOW_UDP_LEN)
		way.udp_len = fuzz_u16(in) % (2 * MESSAGE_MAX);
	deliver_payload(message, len, &way, fresh);
}

/*
 * Deliver a message many times over, each time with another byte changed, and
 * at the end as it is: nothing that came before keeps it from being accepted.
 */
static void bombard(struct fuzz_input *in, struct message *message)
{
	struct delivery way = choose_delivery(in);
	size_t at = fuzz_u16(in), stride = fuzz_u8(in) | 1;
	unsigned int n = fuzz_u8(in);
	u8 mask = fuzz_u8(in) ?: 1;

	way.udp_len = sizeof(struct udphdr) + message->len;
	for (; n; n--, at += stride) {
		memcpy(world->payload, message->bytes, message->len);
		world->payload[at % message->len] ^= mask;
		fix_mac(way.how, world->payload, message->len, message->kind);
		deliver_payload(message, message->len, &way, false);
	}
	memcpy(world->payload, message->bytes, message->len);
	deliver_payload(message, message->len, &way, true);
}

static void send_fresh(struct fuzz_input *in, struct message *message, bool many)
{
	if (many)
		bombard(in, message);
	else
		deliver(in, message, true);
}

static struct message *keep(enum kind kind, u8 peer, size_t len)
{
	struct message *message = &world->kept[world->num_kept++ % KEPT];

	message->kind = kind;
	message->peer = peer;
	message->era = world->ends[peer].era;
	message->taken = false;
	message->counter = 0;
	message->inner_len = 0;
	message->len = len;
	memset(message->bytes, 0, len);
	return message;
}

static void send_raw(struct fuzz_input *in)
{
	struct message *message = keep(RAW, STRANGER, 0);
	u8 type = fuzz_u8(in);

	message->len = fuzz_bytes(in, message->bytes, fuzz_u16(in) % MESSAGE_MAX);
	if (type < 8 && message->len >= 4) {
		memset(message->bytes, 0, 4);
		message->bytes[0] = type;
	}
	deliver(in, message, true);
}

static void send_initiation_of(struct fuzz_input *in, u8 peer, bool many)
{
	struct message *message = keep(INITIATION, peer, sizeof(struct message_initiation));
	struct message_initiation *initiation = (void *)message->bytes;

	if (noise_initiate(world->ends[peer].theirs, initiation)) {
		message->kind = RAW;
		return;
	}
	initiation->type = cpu_to_le32(MESSAGE_INITIATION);
	mac_add(initiation, sizeof(*initiation), world->device->mac1_key);
	if (peer != STRANGER)
		fuzz_noise_unlimit(world->ends[peer].ours->noise);
	send_fresh(in, message, many);
}

/* Have the device begin a handshake; returns false when no initiation came out. */
static bool call(u8 peer)
{
	struct fg_peer *ours = world->ends[peer].ours;

	world->has_initiation = false;
	WRITE_ONCE(ours->hurry, true);
	atomic64_set(&ours->last_handshake_sent, 0);
	send_queue_initiation(ours, false);
	settle();
	return world->has_initiation;
}

static void send_response_of(struct fuzz_input *in, u8 peer, bool many)
{
	struct message_response *response;
	struct message *message;
	struct fg_peer *owner;

	if (peer == STRANGER || !call(peer))
		return;
	message = keep(RESPONSE, peer, sizeof(*response));
	response = (void *)message->bytes;
	fuzz_noise_unlimit(world->ends[peer].theirs);
	if (noise_respond(world->ends[peer].local, &world->initiation, response, &owner)) {
		message->kind = RAW;
		return;
	}
	response->type = cpu_to_le32(MESSAGE_RESPONSE);
	mac_add(response, sizeof(*response), world->device->mac1_key);
	send_fresh(in, message, many);
}

static void connect(u8 peer, bool call)
{
	struct noise_peer *theirs = world->ends[peer].theirs;
	struct noise_peer *ours = world->ends[peer].ours->noise;

	if (call)
		fuzz_noise_connect(ours, theirs, world->key++);
	else
		fuzz_noise_connect(theirs, ours, world->key++);
	world->ends[peer].counter = 0;
	look(&world->after);
	note_sessions(&world->after);
}

static size_t make_inner(struct fuzz_input *in, u8 *inner)
{
	u8 shape = fuzz_u8(in), n = 0;
	size_t head = 0, len, pos;

	memset(inner, 0, INNER_MAX);
	switch (shape & 3) {
	case 0: /* a keepalive, or what the input says */
		break;
	case 1:
	case 2:
		head = 20;
		inner[0] = 0x45;
		inner[1] = fuzz_u8(in);
		inner[8] = 64;
		inner[9] = fuzz_u8(in);
		memcpy(inner + 12, sources4[shape >> 2 & 3], 4);
		inner[16] = 10;
		break;
	case 3:
		head = 40;
		inner[0] = 0x60;
		inner[1] = fuzz_u8(in);
		inner[6] = fuzz_u8(in);
		inner[7] = 64;
		memcpy(inner + 8, sources6[shape >> 2 & 3], 16);
		inner[24] = 0xfd;
		break;
	}
	len = head + fuzz_bytes(in, inner + head, fuzz_u16(in) % (INNER_MAX - head - 16));
	if (head == 20) {
		inner[2] = len >> 8;
		inner[3] = len;
	} else if (head) {
		inner[4] = (len - head) >> 8;
		inner[5] = len - head;
	}
	if (shape & BIT(5)) {
		for (n = fuzz_u8(in) % 4 + 1; n; n--) {
			pos = fuzz_u8(in);
			if (pos < len)
				inner[pos] = fuzz_u8(in);
		}
	}
	return shape & BIT(6) ? len : ALIGN(len, MESSAGE_PADDING);
}

static u64 choose_counter(struct fuzz_input *in, u8 peer)
{
	u8 choice = fuzz_u8(in);
	s64 near = (s8)fuzz_u8(in);

	switch (choice >> 6) {
	case 0:
		return world->ends[peer].counter++;
	case 1: /* far ahead, or back */
		world->ends[peer].counter += near * (1 << (choice & 15));
		return world->ends[peer].counter++;
	case 2:
		return (1ULL << (choice & 63)) + near;
	default:
		return REJECT_AFTER_MESSAGES + near;
	}
}

static void send_data_of(struct fuzz_input *in, u8 peer, bool many)
{
	struct noise_peer *theirs = world->ends[peer].theirs;
	struct noise_session *session;
	struct message *message;
	u64 counter;
	u8 slot;

	if (peer == STRANGER || !world->identity)
		return;
	slot = fuzz_u8(in) % FUZZ_SLOTS;
	counter = choose_counter(in, peer);
	rcu_read_lock();
	session = fuzz_noise_session(theirs, slot);
	if (!session && !fuzz_noise_session(theirs, 0) && !fuzz_noise_session(theirs, 2)) {
		rcu_read_unlock();
		connect(peer, slot);
		rcu_read_lock();
	}
	session = session ?: fuzz_noise_session(theirs, 0) ?: fuzz_noise_session(theirs, 2);
	if (!session) {
		rcu_read_unlock();
		return;
	}
	message = keep(DATA, peer, 0);
	message->inner_len = make_inner(in, message->inner);
	message->len = sizeof(struct message_data) + message->inner_len + NOISE_TAG_LEN;
	message->counter = counter;
	memcpy(message->bytes + sizeof(struct message_data), message->inner, message->inner_len);
	fuzz_noise_seal(session, message->bytes, message->inner_len, counter);
	rcu_read_unlock();
	send_fresh(in, message, many);
}

static void send_again(struct fuzz_input *in)
{
	struct message *message = &world->kept[fuzz_u8(in) % KEPT];

	if (message->len)
		deliver(in, message, false);
}

static void end_era(u8 peer)
{
	int i;

	for (i = 0; i < PEERS; i++) {
		if (peer == STRANGER || i == peer)
			world->ends[i].era++;
	}
}

/* @forked until a reset has followed, which a check of a message begins. */
static void fork_machine(void)
{
	world->id[0]++;
	world->forked = true;
	end_era(STRANGER);
}

static void notice_fork(void)
{
	generation_notice();
	fuzz_settle_resets();
	world->forked = false;
}

static void reset(struct fuzz_input *in, u8 peer)
{
	switch (fuzz_u8(in) % 4) {
	case 0: /* noticed by the next message */
		fork_machine();
		break;
	case 1:
		fork_machine();
		notice_fork();
		break;
	case 2:
		if (peer != STRANGER) {
			end_era(peer);
			generation_force(noise_peer_scope(world->ends[peer].ours->noise));
		}
		break;
	case 3:
		end_era(STRANGER);
		generation_force(noise_local_scope(world->device->noise));
		break;
	}
}

static void pass_time(struct fuzz_input *in)
{
	unsigned int seconds = fuzz_u8(in), i;

	for (i = 0; i < PEERS; i++)
		fuzz_noise_age(world->ends[i].ours->noise, seconds);
	for (i = 0; i < world->num_sessions; i++)
		world->sessions[i].age += seconds;
}

static int add_prefix(const struct prefix *prefix)
{
	struct fg_peer *peer = world->ends[prefix->peer].ours;

	return allowedips_add(&world->device->allowedips, prefix->family, prefix->addr,
			      prefix->cidr, peer, &peer->allowed);
}

static int add_peer(u8 peer)
{
	struct fg_peer *ours;
	int i, err = 0;

	mutex_lock(&world->device->lock);
	ours = peer_create(world->device, world->ends[peer].public_key);
	if (!IS_ERR(ours)) {
		world->ends[peer].ours = ours;
		for (i = 0; i < ARRAY_SIZE(prefixes) && !err; i++) {
			if (prefixes[i].peer == peer)
				err = add_prefix(&prefixes[i]);
		}
	}
	mutex_unlock(&world->device->lock);
	return IS_ERR(ours) ? PTR_ERR(ours) : err;
}

static void remove_peer(u8 peer)
{
	mutex_lock(&world->device->lock);
	peer_remove(world->ends[peer].ours);
	mutex_unlock(&world->device->lock);
	world->ends[peer].ours = NULL;
}

static void set_identity(bool identity)
{
	static const u8 none[NOISE_PUBLIC_KEY_LEN];
	int i;

	if (identity == world->identity)
		return;
	world->identity = identity;
	noise_local_set_private_key(world->device->noise, identity ? world->private_key : none);
	for (i = 0; i < PEERS; i++)
		noise_peer_clear(world->ends[i].ours->noise);
	end_era(STRANGER);
}

static void set_psk(u8 peer, u8 byte)
{
	u8 psk[NOISE_SYMMETRIC_KEY_LEN];

	memset(psk, byte, sizeof(psk));
	noise_peer_set_psk(world->ends[peer].ours->noise, psk);
	noise_peer_set_psk(world->ends[peer].theirs, psk);
}

/* A peer that is made anew has forgotten of when the last one was. */
static void forget_initiations(u8 peer)
{
	int i;

	for (i = 0; i < KEPT; i++) {
		if (world->kept[i].kind == INITIATION && world->kept[i].peer == peer)
			world->kept[i].taken = false;
	}
}

static void configure(struct fuzz_input *in, u8 peer)
{
	u8 choice = fuzz_u8(in);

	if (peer == STRANGER)
		return;
	switch (choice % 8) {
	case 0:
		set_psk(peer, choice);
		break;
	case 1:
		prefixes[0].peer = peer;
		mutex_lock(&world->device->lock);
		FUZZ_EXPECT(!add_prefix(&prefixes[0]));
		mutex_unlock(&world->device->lock);
		break;
	case 2:
		set_identity(!world->identity);
		break;
	case 3:
		end_era(peer);
		remove_peer(peer);
		FUZZ_EXPECT(!add_peer(peer));
		forget_initiations(peer);
		break;
	case 4:
		end_era(STRANGER);
		rtnl_lock();
		dev_close(world->device->dev);
		FUZZ_EXPECT(!dev_open(world->device->dev, NULL));
		rtnl_unlock();
		break;
	case 5:
		world->ends[peer].ours->keepalive_interval = choice;
		break;
	case 6:
		send_keepalive(world->ends[peer].ours);
		settle();
		break;
	case 7:
		noise_peer_clear_handshake(world->ends[peer].ours->noise);
		break;
	}
}

static void reset_end(u8 i)
{
	struct endpoint endpoint = {
		.addr4.sin_family = AF_INET,
		.addr4.sin_port = htons(9),
		.addr4.sin_addr.s_addr = htonl(0xc0000200 | (100 + i)),
	};
	struct fg_peer *ours = world->ends[i].ours;

	world->ends[i].counter = 0;
	noise_peer_clear(world->ends[i].theirs);
	if (!ours)
		return;
	/* As if there had been no run before. */
	peer_quiesce(ours);
	fuzz_noise_forget(ours->noise);
	fuzz_noise_forget(world->ends[i].theirs);
	set_psk(i, 0);
	socket_set_endpoint(ours, &endpoint);
	ours->keepalive_interval = 0;
	ours->recovering = false;
	memset(&ours->last_handshake, 0, sizeof(ours->last_handshake));
	atomic64_set(&ours->last_handshake_sent, 0);
	atomic64_set(&ours->rx_bytes, 0);
	atomic64_set(&ours->tx_bytes, 0);
}

static void reset_world(void)
{
	int i;

	set_identity(true);
	if (prefixes[0].peer != 1) {
		prefixes[0].peer = 1;
		mutex_lock(&world->device->lock);
		FUZZ_EXPECT(!add_prefix(&prefixes[0]));
		mutex_unlock(&world->device->lock);
	}
	notice_fork();
	for (i = 0; i <= PEERS; i++)
		reset_end(i);
	for (i = 0; i < KEPT; i++)
		world->kept[i].len = 0;
	fuzz_noise_restart();
	world->num_kept = 0;
	world->num_sessions = 0;
	world->num_taken = 0;
}

static void run(const u8 *input, size_t len)
{
	struct fuzz_input in = { input, input + len };
	unsigned int steps = 0;
	u8 what, peer;
	bool many;

	fuzz_count("inputs");
	reset_world();
	while (in.at < in.end && steps++ < STEPS) {
		what = fuzz_u8(&in);
		peer = what >> 4 & 3;
		many = what & 0x80;
		what &= 15;
		fuzz_feature(what);
		switch (what) {
		case 0:
			send_raw(&in);
			break;
		case 1:
			send_initiation_of(&in, peer, many);
			break;
		case 2:
			send_response_of(&in, peer, many);
			break;
		case 3:
		case 4:
		case 5:
		case 6:
			send_data_of(&in, peer, many);
			break;
		case 7:
		case 8:
			send_again(&in);
			break;
		case 9:
			reset(&in, peer);
			break;
		case 10:
			pass_time(&in);
			break;
		case 11:
			configure(&in, peer);
			break;
		case 12:
			if (peer != STRANGER && world->identity)
				connect(peer, fuzz_u8(&in) & 1);
			break;
		case 13:
			if (peer != STRANGER)
				call(peer);
			break;
		}
	}
}

static bool hold(struct fg_peer *owner)
{
	return true;
}

static void release(struct fg_peer *owner)
{
}

static const struct noise_owner_ops end_ops = { hold, release };

static int begin_end(u8 i, const u8 device_key[NOISE_PUBLIC_KEY_LEN])
{
	u8 private_key[NOISE_PUBLIC_KEY_LEN];
	struct noise_local *local = noise_local_create(&end_ops);
	struct noise_peer *theirs;

	if (IS_ERR(local))
		return PTR_ERR(local);
	memset(private_key, 'a' + i, sizeof(private_key));
	noise_local_set_private_key(local, private_key);
	noise_local_identity(local, NULL, world->ends[i].public_key);
	theirs = noise_peer_create(local, (struct fg_peer *)&world->ends[i], device_key);
	if (IS_ERR(theirs)) {
		noise_local_destroy(local);
		return PTR_ERR(theirs);
	}
	world->ends[i].local = local;
	world->ends[i].theirs = theirs;
	return i == STRANGER ? 0 : add_peer(i);
}

static void end_world(void)
{
	int i;

	if (world->device) {
		rtnl_lock();
		netdev_rx_handler_unregister(world->device->dev);
		rtnl_unlock();
		mutex_lock(&world->device->lock);
		peer_remove_all(world->device);
		mutex_unlock(&world->device->lock);
		dev_put(world->device->dev);
	}
	if (world->link) {
		dev_remove_pack(&world->tap);
		dev_put(world->link);
	}
	for (i = 0; i <= PEERS; i++) {
		if (!world->ends[i].local)
			continue;
		noise_peer_remove(world->ends[i].theirs);
		noise_peer_free(world->ends[i].theirs);
		rcu_barrier();
		noise_local_destroy(world->ends[i].local);
	}
	fuzz_settle_resets();
	if (world->saved_id)
		generation_id = world->saved_id;
	kfree(world);
	world = NULL;
}

/* The interfaces fwg0 and fuzz0 are there, and up. */
static int begin_world(void)
{
	u8 public_key[NOISE_PUBLIC_KEY_LEN];
	struct net_device *dev;
	int i, err;

	world->link = dev_get_by_name(&init_net, "fuzz0");
	if (!world->link)
		return -ENODEV;
	world->tap = (struct packet_type){ .type = htons(ETH_P_ALL),
					   .dev = world->link,
					   .func = on_sent };
	dev_add_pack(&world->tap);
	dev = dev_get_by_name(&init_net, "fwg0");
	if (!dev || !device_is_forkguard(dev)) {
		dev_put(dev);
		return -ENODEV;
	}
	world->device = netdev_priv(dev);
	world->saved_id = generation_id;
	generation_id = world->id;
	rtnl_lock();
	err = netdev_rx_handler_register(dev, on_delivered, NULL);
	rtnl_unlock();
	if (err)
		return err;

	memset(world->private_key, 'd', sizeof(world->private_key));
	world->identity = true;
	noise_local_set_private_key(world->device->noise, world->private_key);
	noise_local_identity(world->device->noise, NULL, public_key);
	mac_key(world->device->mac1_key, public_key);
	for (i = 0; i <= PEERS && !err; i++)
		err = begin_end(i, public_key);
	return err;
}

static int begin(void)
{
	int err;

	world = kzalloc(sizeof(*world), GFP_KERNEL);
	if (!world)
		return -ENOMEM;
	err = begin_world();
	if (err)
		end_world();
	return err;
}

const struct fuzz_target fuzz_packet = {
	.name = "fuzz-packet",
	.begin = begin,
	.run = run,
	.end = end_world,
};
