/* SPDX-License-Identifier: GPL-2.0 */
/* Remembers every nonce and its ciphertext, in bounded memory, and finds the reuses. */
#ifndef FWG_AUDIT_JUDGE_H
#define FWG_AUDIT_JUDGE_H

#include "message.h"

#define FILES_MAX 0x7fff

/* Where a message was seen: files count from 0, packets from 1. */
struct place {
	uint32_t file;
	unsigned long long packet;
};

static inline int place_order(const struct place *a, const struct place *b)
{
	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return (a->packet > b->packet) - (a->packet < b->packet);
}

enum verdict {
	SKIPPED, /* the message is in the share of another pass */
	FIRST, /* the first ciphertext of its nonce */
	AGAIN, /* a known ciphertext of its nonce */
	REUSE, /* a new ciphertext of a known nonce */
	FULL, /* the table has no room for it */
};

/* The size of a table that may be too small for all messages, and the passes needed then. */
struct shares {
	size_t room; /* in entries */
	unsigned int passes;
};

struct shares shares(size_t memory, size_t entry, unsigned long long messages);

struct judge *judge_new(size_t memory, unsigned long long messages);
unsigned int judge_passes(const struct judge *judge);
void judge_pass(struct judge *judge, unsigned int pass);
enum verdict judge_message(struct judge *judge, const struct message *m, struct place at,
			   struct place *first);
void judge_end(struct judge *judge);
unsigned long long judge_ephemerals(const struct judge *judge);
unsigned long long judge_ephemerals_shared(const struct judge *judge);

#endif
