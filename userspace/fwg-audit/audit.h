/* SPDX-License-Identifier: GPL-2.0 */
/* The audit itself: a survey of all captures, then as many judging passes as needed. */
#ifndef FWG_AUDIT_AUDIT_H
#define FWG_AUDIT_AUDIT_H

#include "capture.h"
#include "complaints.h"
#include "reuses.h"
#include "sessions.h"

struct audit {
	struct capture *captures;
	size_t files;
	struct sessions *sessions;
	struct judge *judge;
	struct reuses reuses;
	struct complaints complaints;
	unsigned long long kinds[KINDS]; /* messages of each kind */
	unsigned long long judged; /* messages of all kinds */
};

void audit_run(struct audit *audit, size_t memory);

#endif
