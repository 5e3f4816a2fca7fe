/* SPDX-License-Identifier: GPL-2.0 */
/* Tells sessions with the same receiver index apart, by the handshakes that chose it. */
#ifndef FWG_AUDIT_HANDSHAKES_H
#define FWG_AUDIT_HANDSHAKES_H

#include "reuses.h"

/* How many indices are examined at most. */
#define SUSPECTS_MAX 65536

/* Receiver indices with a suspected reuse: it is none if several sessions had the index. */
struct suspects {
	uint32_t *list;
	size_t count;
	bool more; /* there are more than are listed */
	unsigned long long reuses;
};

/* The results about the suspects. */
struct findings {
	struct reuses reuses; /* of one nonce in one session */
	struct reuses doubtful; /* of one nonce, perhaps in two sessions */
	unsigned long long chosen_twice; /* indices that distinct sessions have chosen */
};

/* Where and when a message was seen. */
struct sight {
	struct place place;
	size_t offset; /* in the datagram */
	int64_t time; /* in seconds */
	const struct datagram *datagram;
};

bool suspects_add(struct suspects *suspects, uint32_t receiver);
void suspects_sort(struct suspects *suspects);

struct handshakes;

struct handshakes *handshakes_new(const struct suspects *suspects, size_t memory,
				  unsigned long long messages);
unsigned int handshakes_passes(const struct handshakes *h);
void handshakes_pass(struct handshakes *h, unsigned int pass);
bool handshakes_see(struct handshakes *h, const struct message *m, const struct sight *sight);
bool handshakes_decide(struct handshakes *h, struct findings *findings);
void handshakes_end(struct handshakes *h, struct findings *findings);

#endif
