// SPDX-License-Identifier: GPL-2.0
/* The WireGuard messages: what of each is the nonce, and what was encrypted under it. */
#define _GNU_SOURCE
#include "message.h"

#include <string.h>

#include "bytes.h"

#define INITIATION_LEN 148
#define RESPONSE_LEN 92
#define COOKIE_LEN 64
#define TRANSPORT_MIN 32

const char *const kind_name[KINDS] = {
	[INITIATION] = "initiation",
	[RESPONSE] = "response",
	[COOKIE] = "cookie",
	[TRANSPORT] = "transport",
};

/* More messages than any session can send in its three minutes. */
#define COUNTER_PLAUSIBLE 0x10000000000

/* Whether a UDP payload of this type and length is a message. */
static bool plausible(uint8_t type, size_t len)
{
	switch (type) {
	case INITIATION:
		return len == INITIATION_LEN;
	case RESPONSE:
		return len == RESPONSE_LEN;
	case COOKIE:
		return len == COOKIE_LEN;
	case TRANSPORT:
		return len >= TRANSPORT_MIN;
	}
	return false;
}

static void set(struct message *m, const uint8_t *nonce, size_t nonce_len, const uint8_t *text,
		size_t text_len)
{
	m->nonce = nonce;
	m->nonce_len = nonce_len;
	m->text = text;
	m->text_len = text_len;
}

/*
 * CARRIES when @m is filled in; it points into @payload. The three reserved
 * bytes are 0 in WireGuard, but some services use them to route by. One byte
 * alone says little, so a transport message must then have a likely counter,
 * which no DNS message has in its place. @strict: the reserved bytes must be 0.
 */
enum fate message_parse(const struct view *payload, bool strict, struct message *m)
{
	const uint8_t *p = payload->p;
	bool reserved;

	if (payload->have < 4)
		return payload->len < TRANSPORT_MIN ? OTHER : CUT;
	reserved = p[1] || p[2] || p[3];
	if (!plausible(*p, payload->len) || (reserved && strict))
		return OTHER;
	if (reserved && *p == TRANSPORT && payload->have >= 16 &&
	    get_le64(p + 8) >= COUNTER_PLAUSIBLE)
		return OTHER;
	if (payload->have < payload->len)
		return CUT;

	*m = (struct message){ .kind = *p, .reserved = reserved };
	switch (m->kind) {
	case INITIATION:
		m->sender = get_le32(p + 4);
		set(m, p + 8, 32, p + 40, 76);
		break;
	case RESPONSE:
		m->sender = get_le32(p + 4);
		m->receiver = get_le32(p + 8);
		set(m, p + 12, 32, p + 44, 16);
		break;
	case COOKIE:
		/* The key is the responder's own and the same for every receiver. */
		m->receiver = get_le32(p + 4);
		set(m, p + 8, 24, p + 32, 32);
		break;
	default:
		m->receiver = get_le32(p + 4);
		m->counter = get_le64(p + 8);
		set(m, p + 4, 12, p + 16, payload->len - 16);
	}
	return CARRIES;
}

/*
 * How long each message of a datagram is. Captured on the sending host, a
 * datagram may be many that the kernel or the card had yet to cut up: transport
 * messages of one length and a last one that may be shorter. The eight bytes
 * with which they begin occur inside a message only by a chance of one in 2^64.
 */
size_t message_stride(const struct view *payload)
{
	const uint8_t *p = payload->p, *second = NULL;
	size_t len = payload->len;

	if (payload->have == len && len >= 2 * TRANSPORT_MIN && *p == TRANSPORT)
		second = memmem(p + TRANSPORT_MIN, len - TRANSPORT_MIN, p, 8);
	return second ? (size_t)(second - p) : len;
}
