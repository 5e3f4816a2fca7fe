/* SPDX-License-Identifier: GPL-2.0 */
/* Capture files. Each is read several times and must not change meanwhile. */
#ifndef FWG_AUDIT_CAPTURE_H
#define FWG_AUDIT_CAPTURE_H

#include <sys/stat.h>

#include "packet.h"

struct capture {
	const char *name;
	const char *shown; /* the name, safe for a terminal */
	struct stat named; /* of the file with that name */
	struct stat stat; /* of the file that is read: the same, or a copy */
	int copy; /* its descriptor if there is one; else -1 */
	bool opened;
	unsigned long long packets, messages;
	unsigned long long fates[FATES],
		first[FATES]; /* packets of each fate, the first one's number */
	int unknown_link; /* of the first packet with that fate */
};

struct frame {
	int link;
	unsigned long long packet; /* counts from 1 */
	int64_t time; /* in seconds */
	struct view bytes;
};

/* Returns false to stop. */
typedef bool capture_visitor(void *context, const struct frame *frame);

const char *capture_link_name(int link);

/* These return NULL, or an error message, which is valid until the next call. */
const char *capture_identify(struct capture *capture);
const char *capture_open(struct capture *capture);
const char *capture_read(struct capture *capture, unsigned long long packets,
			 capture_visitor *visit, void *context);

#endif
