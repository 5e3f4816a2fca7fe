/* SPDX-License-Identifier: GPL-2.0 */
/* Reads pcapng files, also those with interfaces of several kinds, which libpcap refuses. */
#ifndef FWG_AUDIT_PCAPNG_H
#define FWG_AUDIT_PCAPNG_H

#include <stdio.h>

#include "capture.h"

#define PCAPNG_MAGIC 0x0a0d0d0a

/* All but the file begins as 0. */
struct pcapng {
	FILE *file;
	bool big_endian; /* the section is */
	uint8_t *block; /* the one that was read last, without its head and tail */
	size_t len, room;
	struct interface *interfaces; /* of the section */
	uint32_t count;
	unsigned long long packets;
	const char *error;
};

/* 1 for a frame, valid until the next call; 0 at the end of the file; -1 after an error. */
int pcapng_next(struct pcapng *ng, struct frame *frame);
void pcapng_end(struct pcapng *ng);

#endif
