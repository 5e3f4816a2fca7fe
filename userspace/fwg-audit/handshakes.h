/* SPDX-License-Identifier: GPL-2.0 */
/* Tells sessions with the same receiver index apart, by the handshakes in which it was chosen. */
#ifndef FWG_AUDIT_HANDSHAKES_H
#define FWG_AUDIT_HANDSHAKES_H

#include "reuses.h"

/* Indices beyond these are not looked into. */
#define SUSPECTS_MAX 65536

/* Receiver indices with a reuse that is none if several sessions have had them. */
struct suspects {
	uint32_t *list;
	size_t count;
	bool more; /* than are listed */
	unsigned long long reuses;
};

/* What became of suspects. */
struct findings {
	struct reuses reuses; /* of one nonce in one session */
	struct reuses doubtful; /* perhaps in two */
	unsigned long long chosen_twice; /* indices, by sessions that are known apart */
};

/* Where and when a message is seen. */
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
