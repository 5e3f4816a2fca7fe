// SPDX-License-Identifier: GPL-2.0
/*
 * packet: an input is a program for the peers of a device, and for an attacker on the
 * path: it makes a genuine message, changes it, delivers it, delivers it again, resets,
 * or lets time pass.
 */

#include "packet.h"
#include "reset.h"
#include "send.h"

#define STEPS 64

static const u8 sources4[][4] = { { 10, 0, 0, 1 }, { 10, 0, 0, 129 }, { 10, 0, 1, 1 }, { 9 } };
static const u8 sources6[][16] = { { 0xfd, [15] = 2 },
				   { 0xfd, [15] = 1 },
				   { 0xff, [15] = 1 },
				   { 0x20, 1 } };

/* Anybody who knows the device's public key can do this. */
static void fix_mac(u8 how, u8 *payload, size_t len, enum kind kind)
{
	if (!(how & HOW_NO_MAC) && kind != DATA && len >= sizeof(struct message_response))
		world_add_mac1(payload, len);
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

static struct delivery choose_delivery(struct fuzz_input *in)
{
	struct delivery way = { .how = fuzz_u8(in), .source = fuzz_u8(in), .ds = fuzz_u8(in) };

	if (way.how & (HOW_FRAGS | HOW_FRAG_LIST))
		way.linear = fuzz_u8(in);
	return way;
}

/* Deliver a message, genuine or changed, as the input says. */
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
 * Deliver a message many times, each time with another byte changed, and at the end
 * unchanged: the changed ones must not prevent its acceptance.
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

	if (fwg_noise_initiate(world->ends[peer].theirs, initiation)) {
		message->kind = RAW;
		return;
	}
	initiation->type = cpu_to_le32(MESSAGE_INITIATION);
	world_add_mac1(initiation, sizeof(*initiation));
	if (peer != STRANGER)
		fuzz_noise_unlimit(world->ends[peer].ours->noise);
	send_fresh(in, message, many);
}

/* Have the device begin a handshake; returns false if it sends no initiation. */
static bool call(u8 peer)
{
	struct fwg_peer *ours = world->ends[peer].ours;
	struct fuzz_noise_state state;

	world->has_initiation = false;
	WRITE_ONCE(ours->timers.hurry, true);
	atomic64_set(&ours->timers.last_handshake_sent, 0);
	fwg_send_queue_initiation(ours, false);
	deliver_settle();
	/* A timer may have begun a handshake with another peer meanwhile. */
	fuzz_noise_state(ours->noise, &state);
	return world->has_initiation &&
	       state.pending == (__force u32)world->initiation.sender_index;
}

static void send_response_of(struct fuzz_input *in, u8 peer, bool many)
{
	struct message_response *response;
	struct message *message;
	struct fwg_peer *owner;

	if (peer == STRANGER || !call(peer))
		return;
	message = keep(RESPONSE, peer, sizeof(*response));
	response = (void *)message->bytes;
	fuzz_noise_unlimit(world->ends[peer].theirs);
	if (fwg_noise_respond(world->ends[peer].local, &world->initiation, response, &owner)) {
		message->kind = RAW;
		return;
	}
	response->type = cpu_to_le32(MESSAGE_RESPONSE);
	world_add_mac1(response, sizeof(*response));
	send_fresh(in, message, many);
}

static void send_cookie_of(struct fuzz_input *in, u8 peer, bool many)
{
	struct noise_source source = {};
	struct message_cookie *cookie;
	struct message *message;

	if (peer == STRANGER || !call(peer))
		return;
	message = keep(COOKIE, peer, sizeof(*cookie));
	cookie = (void *)message->bytes;
	if (fwg_noise_give_cookie(world->ends[peer].local, &world->initiation,
				  sizeof(world->initiation), &source, cookie)) {
		message->kind = RAW;
		return;
	}
	cookie->type = cpu_to_le32(MESSAGE_COOKIE);
	cookie->receiver_index = world->initiation.sender_index;
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
	world_look(&world->after);
	deliver_note_sessions(&world->after);
}

static size_t make_inner(struct fuzz_input *in, u8 *inner)
{
	u8 shape = fuzz_u8(in), n = 0;
	size_t head = 0, len, pos;

	memset(inner, 0, INNER_MAX);
	switch (shape & 3) {
	case 0: /* a keepalive, or bytes of the input */
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

static void reset(struct fuzz_input *in, u8 peer)
{
	switch (fuzz_u8(in) % 4) {
	case 0: /* noticed by the next message */
		world_fork();
		break;
	case 1:
		world_fork();
		world_notice_fork();
		break;
	case 2:
		if (peer != STRANGER) {
			world_end_era(peer);
			fwg_reset_force_peer(world->ends[peer].ours);
		}
		break;
	case 3:
		world_end_era(STRANGER);
		fwg_reset_force_device(world->device);
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

/* A peer that is created again has forgotten the last initiation's timestamp. */
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
	switch (choice % 7) {
	case 0:
		world_set_psk(peer, choice);
		break;
	case 1:
		world_move_prefix(peer);
		break;
	case 2:
		world_set_identity(!world->identity);
		break;
	case 3:
		world_end_era(peer);
		world_remove_peer(peer);
		FUZZ_EXPECT(!world_add_peer(peer));
		forget_initiations(peer);
		break;
	case 4:
		world_end_era(STRANGER);
		rtnl_lock();
		dev_close(world->device->dev);
		FUZZ_EXPECT(!dev_open(world->device->dev, NULL));
		rtnl_unlock();
		break;
	case 5:
		world->ends[peer].ours->timers.keepalive_interval = choice;
		break;
	case 6:
		fwg_send_keepalive(world->ends[peer].ours);
		deliver_settle();
		break;
	}
}

static void run(const u8 *input, size_t len)
{
	struct fuzz_input in = { input, input + len };
	unsigned int steps = 0;
	u8 what, peer;
	bool many;

	fuzz_count("inputs");
	world_restart();
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
		case 14:
			send_cookie_of(&in, peer, many);
			break;
		}
	}
}

const struct fuzz_target fuzz_packet = {
	.name = "fuzz-packet",
	.begin = world_begin,
	.run = run,
	.end = world_end,
};
