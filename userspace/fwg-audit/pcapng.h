/* SPDX-License-Identifier: GPL-2.0 */
/* Reads pcapng files, even with several link types, which libpcap refuses. */
#ifndef FWG_AUDIT_PCAPNG_H
#define FWG_AUDIT_PCAPNG_H

#include <stdio.h>

#include "capture.h"

#define PCAPNG_MAGIC 0x0a0d0d0a

/* All members except the file are 0 at first. */
struct pcapng {
	FILE *file;
	bool big_endian; /* the current section's byte order */
	uint8_t *block; /* the last block, without its head and tail */
	size_t len, room;
	struct interface *interfaces; /* of the current section */
	uint32_t count;
	unsigned long long packets;
	const char *error;
};

/* Returns 1 for a frame, valid until the next call; 0 at the end of the file; -1 on error. */
int pcapng_next(struct pcapng *ng, struct frame *frame);
void pcapng_end(struct pcapng *ng);

#endif
