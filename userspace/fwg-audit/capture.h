/* SPDX-License-Identifier: GPL-2.0 */
/* Capture files: regular files, read several times, that must not change meanwhile. */
#ifndef FWG_AUDIT_CAPTURE_H
#define FWG_AUDIT_CAPTURE_H

#include <sys/stat.h>

#include "packet.h"

struct capture {
	const char *name;
	struct stat stat; /* as it was when it was first opened */
	bool opened;
	unsigned long long packets, messages, others;
	unsigned long long unjudged[FATES], first_unjudged[FATES];
};

/* Packets count from 1. Returns false to stop. */
typedef bool capture_visitor(void *context, int link, unsigned long long packet, struct view frame);

const char *capture_read(struct capture *capture, unsigned long long packets,
			 capture_visitor *visit, void *context);

#endif
