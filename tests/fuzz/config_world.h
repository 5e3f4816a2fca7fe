/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The simulated environment of fwg: one configuration file, key files, a resolver
 * that knows only numbers, and a kernel that gives a prepared answer. fwg's sources
 * are compiled with these functions in place of those of the C library and libmnl;
 * see the Makefile.
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
	/* The content of the configuration file, whatever its name. */
	struct bytes file;
	/* The netlink messages in answer to each request, or the kernel's events. */
	struct bytes answer;
	bool all_at_once; /* the answer is one datagram; otherwise each message is one */
	bool asks_family; /* the answer is also given to the request for the family */
};

extern struct world world;

/* The content of a key file is its name. A file whose name begins like this does not exist. */
#define NO_SUCH_KEY_FILE '!'

#define WORLD_FAMILY 0x21 /* forkguard's id */

#endif
