/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The world that fwg sees while it is fuzzed: one configuration file, key
 * files, a resolver that knows numbers only, and a kernel that gives the answer
 * it is told to give. fwg's sources are compiled with these functions in the
 * place of the C library's and libmnl's; see the Makefile.
 */
#ifndef FUZZ_CONFIG_WORLD_H
#define FUZZ_CONFIG_WORLD_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	const uint8_t *p;
	size_t len;
};

struct world {
	/* What is in the file that is opened, whatever its name. */
	struct bytes file;
	/* Netlink messages with which the kernel answers each question, or its events. */
	struct bytes answer;
	bool all_at_once; /* the answer is one datagram, else each message is */
	bool asks_family; /* the answer is to the question for the family as well */
};

extern struct world world;

/* A file of this name holds its own name; with this letter at its head there is none. */
#define NO_SUCH_KEY_FILE '!'

#define WORLD_FAMILY 0x21 /* forkguard's id */

#endif
