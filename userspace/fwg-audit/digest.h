/* SPDX-License-Identifier: GPL-2.0 */
/* Keyed digests of 128 bits: libsodium's SipHash-2-4. */
#ifndef FWG_AUDIT_DIGEST_H
#define FWG_AUDIT_DIGEST_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>

struct digest_key {
	uint8_t bytes[crypto_shorthash_siphashx24_KEYBYTES];
};

struct digest {
	uint64_t lo, hi;
};

_Static_assert(sizeof(struct digest) == crypto_shorthash_siphashx24_BYTES, "digests have 128 bits");

static inline struct digest digest(const struct digest_key *key, const void *data, size_t len)
{
	struct digest digest;

	crypto_shorthash_siphashx24((uint8_t *)&digest, data, len, key->bytes);
	return digest;
}

static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->lo == b->lo && a->hi == b->hi;
}

#endif
