/* SPDX-License-Identifier: GPL-2.0 */
/* Statistics of each session, that is, of each receiver index. */
#ifndef FWG_AUDIT_SESSIONS_H
#define FWG_AUDIT_SESSIONS_H

#include "judge.h"

/* Further sessions are judged like all others, but not listed. */
#define SESSIONS_MAX 262144

struct session {
	uint32_t receiver;
	uint32_t files, last_file; /* how many files have transport messages of it */
	unsigned long long messages, distinct, first, last;
	uint64_t handshake; /* the one that chose the index; 0: not seen */
	uint32_t handshake_file; /* the last file that has it */
	bool several; /* sessions with this index: chosen again, or used before it was chosen */
};

struct sessions *sessions_new(void);
bool sessions_survey(struct sessions *sessions, const struct message *m, uint32_t file);
void sessions_distinct(struct sessions *sessions, const struct message *m);
const struct session *sessions_find(const struct sessions *sessions, uint32_t receiver);
size_t sessions_count(const struct sessions *sessions);
const struct session *sessions_get(const struct sessions *sessions, size_t i);
unsigned long long sessions_unlisted(const struct sessions *sessions);

#endif
