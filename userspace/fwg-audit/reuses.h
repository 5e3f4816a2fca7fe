/* SPDX-License-Identifier: GPL-2.0 */
/* A bounded list of certain or possible reuses, in the order of the captures. */
#ifndef FWG_AUDIT_REUSES_H
#define FWG_AUDIT_REUSES_H

#include "judge.h"

/* Further reuses are counted, but not listed. */
#define REUSES_MAX 65536

struct reuse {
	enum kind kind;
	uint32_t receiver;
	unsigned long long counter;
	uint8_t nonce[NONCE_MAX];
	size_t nonce_len;
	struct place a, b; /* of the first message and of the other one */
	size_t offset; /* of the other one in its datagram */
};

struct reuses {
	struct reuse *list;
	size_t count, room;
	unsigned long long total;
};

bool reuses_add(struct reuses *reuses, const struct reuse *reuse);
void reuses_sort(struct reuses *reuses);

#endif
