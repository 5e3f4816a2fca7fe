// SPDX-License-Identifier: GPL-2.0
/* Reads pcapng files, even with several link types, which libpcap refuses. */
#include "pcapng.h"

#include <errno.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

#define BLOCK_LEN_MAX (16u << 20)
#define INTERFACES_MAX 65536
#define BYTE_ORDER_MAGIC 0x1a2b3c4d
#define OPTION_RESOLUTION 9
#define OPTION_OFFSET 14

enum block {
	INTERFACE = 1,
	PACKET_OBSOLETE = 2,
	PACKET_SIMPLE = 3,
	PACKET = 6,
	SECTION = PCAPNG_MAGIC,
};

struct interface {
	int link;
	uint32_t snaplen;
	uint64_t units; /* of time, in a second */
	uint64_t offset; /* in seconds */
};

/* Read numbers from the block, in the section's byte order. */
static uint16_t get16(const struct pcapng *ng, size_t at)
{
	const uint8_t *p = ng->block + at;

	return ng->big_endian ? get_be16(p) : (uint16_t)(p[1] << 8 | p[0]);
}

static uint32_t get32(const struct pcapng *ng, size_t at)
{
	return ng->big_endian ? get_be32(ng->block + at) : get_le32(ng->block + at);
}

static uint64_t get64(const struct pcapng *ng, size_t at)
{
	uint64_t first = get32(ng, at), second = get32(ng, at + 4);

	return ng->big_endian ? first << 32 | second : second << 32 | first;
}

static int fail(struct pcapng *ng, const char *error)
{
	ng->error = error;
	return -1;
}

/* Makes room for @len bytes in the block and reads those from @have on. */
static int get_bytes(struct pcapng *ng, size_t have, size_t len)
{
	uint8_t *block;
	size_t got;

	if (len > ng->room) {
		block = realloc(ng->block, len);
		if (!block)
			return fail(ng, "out of memory");
		ng->block = block;
		ng->room = len;
	}
	got = fread(ng->block + have, 1, len - have, ng->file);
	if (got == len - have)
		return 1;
	if (ferror(ng->file))
		return fail(ng, strerror(errno));
	return got || have ? fail(ng, "truncated in the middle of a block") : 0;
}

static int read_block(struct pcapng *ng, uint32_t *type)
{
	int status = get_bytes(ng, 0, 12);
	uint32_t total;

	if (status <= 0)
		return status;
	/* A section begins with its byte order, in which even the length of this block is. */
	if (get_le32(ng->block) == SECTION) {
		ng->big_endian = get_be32(ng->block + 8) == BYTE_ORDER_MAGIC;
		if (get32(ng, 8) != BYTE_ORDER_MAGIC)
			return fail(ng, "a section of unknown byte order");
	}
	*type = get32(ng, 0);
	total = get32(ng, 4);
	if (total < 12 || total % 4 || total > BLOCK_LEN_MAX)
		return fail(ng, "a block of impossible length");
	ng->len = total - 12;
	/* The first four bytes after the head were read with it. */
	memmove(ng->block, ng->block + 8, 4);
	status = get_bytes(ng, 4, total - 8);
	if (status > 0 && get32(ng, ng->len) != total)
		return fail(ng, "a block with two different lengths");
	return status;
}

static int read_section(struct pcapng *ng)
{
	if (ng->len < 16 || get16(ng, 4) != 1)
		return fail(ng, "a section of a version that is not supported");
	ng->count = 0;
	return 1;
}

/* Units of time in a second, from the option's byte; 0 if they are too many. */
static uint64_t units(uint8_t resolution)
{
	uint64_t units = 1;

	if (resolution & 0x80)
		return resolution & 0x40 ? 0 : units << (resolution & 0x3f);
	if (resolution > 19)
		return 0;
	while (resolution--)
		units *= 10;
	return units;
}

static int read_interface(struct pcapng *ng)
{
	struct interface *i;
	size_t size;

	if (ng->len < 8)
		return fail(ng, "an interface description that is too short");
	/* The array is full when its count is 0 or a power of 2. */
	if (!(ng->count & (ng->count - 1))) {
		i = ng->count < INTERFACES_MAX ?
			    realloc(ng->interfaces, (ng->count ? 2 * ng->count : 1) * sizeof(*i)) :
			    NULL;
		if (!i)
			return fail(ng, "too many interfaces");
		ng->interfaces = i;
	}
	i = &ng->interfaces[ng->count++];
	/* Of the link types we know, only 101 means something else in libpcap than in files. */
	i->link = get16(ng, 0) == 101 ? DLT_RAW : get16(ng, 0);
	i->snaplen = get32(ng, 4);
	i->units = 1000000;
	i->offset = 0;
	for (size_t at = 8; at + 4 < ng->len && get16(ng, at); at += 4 + ((size + 3) & ~3ul)) {
		size = get16(ng, at + 2);
		if (get16(ng, at) == OPTION_RESOLUTION)
			i->units = units(ng->block[at + 4]);
		else if (get16(ng, at) == OPTION_OFFSET && at + 12 <= ng->len)
			i->offset = get64(ng, at + 4);
	}
	return i->units ? 1 : fail(ng, "an interface with too fine a clock");
}

static int read_packet(struct pcapng *ng, uint32_t type, struct frame *frame)
{
	size_t head = type == PACKET_SIMPLE ? 4 : 20;
	struct view *bytes = &frame->bytes;
	const struct interface *i;
	uint32_t number = 0;

	if (ng->len < head)
		return fail(ng, "a packet block that is too short");
	/* A simple packet block belongs to the first interface and has no time. */
	if (type != PACKET_SIMPLE)
		number = type == PACKET ? get32(ng, 0) : get16(ng, 0);
	if (number >= ng->count)
		return fail(ng, "a packet of an interface that is not described");
	i = &ng->interfaces[number];
	if (type == PACKET_SIMPLE) {
		frame->time = 0;
		bytes->len = get32(ng, 0);
		bytes->have = i->snaplen && i->snaplen < bytes->len ? i->snaplen : bytes->len;
	} else {
		/* The higher half comes first in either byte order. */
		frame->time = ((uint64_t)get32(ng, 4) << 32 | get32(ng, 8)) / i->units + i->offset;
		bytes->have = get32(ng, 12);
		bytes->len = get32(ng, 16);
	}
	if (bytes->have > ng->len - head)
		return fail(ng, "a packet that is longer than its block");
	bytes->p = ng->block + head;
	frame->link = i->link;
	frame->packet = ++ng->packets;
	return 1;
}

int pcapng_next(struct pcapng *ng, struct frame *frame)
{
	uint32_t type = 0;
	int status;

	while ((status = read_block(ng, &type)) > 0) {
		if (type == PACKET || type == PACKET_SIMPLE || type == PACKET_OBSOLETE)
			return read_packet(ng, type, frame);
		if (type == SECTION)
			status = read_section(ng);
		else if (type == INTERFACE)
			status = read_interface(ng);
		if (status < 0)
			break;
	}
	return status;
}

void pcapng_end(struct pcapng *ng)
{
	free(ng->interfaces);
	free(ng->block);
}
