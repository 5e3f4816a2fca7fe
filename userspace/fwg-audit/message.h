/* SPDX-License-Identifier: GPL-2.0 */
/* WireGuard messages: which part is the nonce, and which was encrypted under it. */
#ifndef FWG_AUDIT_MESSAGE_H
#define FWG_AUDIT_MESSAGE_H

#include "packet.h"

enum kind {
	INITIATION = 1,
	RESPONSE = 2,
	COOKIE = 3,
	TRANSPORT = 4,
	KINDS,
};

#define NONCE_MAX 32

struct message {
	enum kind kind;
	bool reserved; /* the three bytes after the type are not all 0 */
	uint32_t sender; /* initiation and response: the index that the sender chose */
	uint32_t receiver; /* the receiver index; all but initiation */
	unsigned long long counter; /* transport */
	/*
	 * The bytes that must never occur with two different texts: receiver
	 * and counter, the ephemeral key, or a cookie reply's random nonce.
	 */
	const uint8_t *nonce;
	size_t nonce_len;
	const uint8_t *text;
	size_t text_len;
};

extern const char *const kind_name[KINDS];

enum fate message_parse(const struct view *payload, bool strict, struct message *m);
size_t message_stride(const struct view *payload);

#endif
