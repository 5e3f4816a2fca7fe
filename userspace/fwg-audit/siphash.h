/* SPDX-License-Identifier: GPL-2.0 */
/* SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, 2012). */
#ifndef FWG_AUDIT_SIPHASH_H
#define FWG_AUDIT_SIPHASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};

struct digest {
	uint64_t lo, hi;
};

struct digest siphash128(const struct siphash_key *key, const void *data, size_t len);

static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->lo == b->lo && a->hi == b->hi;
}

#endif
