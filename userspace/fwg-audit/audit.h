/* SPDX-License-Identifier: GPL-2.0 */
/* The audit itself, from captures to findings. */
#ifndef FWG_AUDIT_AUDIT_H
#define FWG_AUDIT_AUDIT_H

#include "capture.h"
#include "complaints.h"
#include "filter.h"
#include "handshakes.h"
#include "sessions.h"

struct audit {
	/* The task */
	struct capture *captures;
	size_t files;
	struct filter *filter; /* NULL: all packets */
	bool strict; /* reserved bytes must be 0 */

	/* The findings */
	struct sessions *sessions;
	struct judge *judge;
	struct findings findings;
	struct complaints complaints;
	unsigned long long kinds[KINDS]; /* messages of each kind */
	unsigned long long judged; /* messages of all kinds */
	unsigned long long reserved; /* messages whose reserved bytes are not 0 */
	unsigned long long encapsulated; /* packets, in all captures */
};

void audit_run(struct audit *audit, size_t memory);

#endif
