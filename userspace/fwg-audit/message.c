// SPDX-License-Identifier: GPL-2.0
/* WireGuard messages: which part is the nonce, and which was encrypted under it. */
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

/* May a UDP payload of this type and length be a message? */
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
 * Returns CARRIES if @m was filled in; it points into @payload. In WireGuard the
 * three reserved bytes are 0, but some services route by them. If they are not 0,
 * only one byte identifies a message, so a transport message must have a plausible
 * counter, which DNS messages do not have. @strict: the reserved bytes must be 0.
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
		/* The key depends on the responder alone: it is the same for every receiver. */
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
 * The length of each message in a datagram. If it was captured on the sending host,
 * before segmentation, a datagram may hold many transport messages: all of one
 * length, except that the last may be shorter. The eight bytes with which they begin
 * occur inside a message only with a probability of 2^-64.
 */
size_t message_stride(const struct view *payload)
{
	const uint8_t *p = payload->p, *second = NULL;
	size_t len = payload->len;

	if (payload->have == len && len >= 2 * TRANSPORT_MIN && *p == TRANSPORT)
		second = memmem(p + TRANSPORT_MIN, len - TRANSPORT_MIN, p, 8);
	return second ? (size_t)(second - p) : len;
}
