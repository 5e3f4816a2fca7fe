// SPDX-License-Identifier: GPL-2.0
/* SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, 2012). */
#include "siphash.h"

#include "bytes.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void rounds(struct state *s, int n)
{
	while (n--) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 = rotate(s->v0, 32);

		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 = rotate(s->v2, 32);
	}
}

static void absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	rounds(s, 2);
	s->v0 ^= word;
}

struct digest siphash128(const struct siphash_key *key, const void *data, size_t len)
{
	/* The constants spell "somepseudorandomlygeneratedbytes". */
	struct state s = {
		key->k0 ^ 0x736f6d6570736575,
		key->k1 ^ 0x646f72616e646f6d ^ 0xee,
		key->k0 ^ 0x6c7967656e657261,
		key->k1 ^ 0x7465646279746573,
	};
	uint64_t last = (uint64_t)len << 56;
	const uint8_t *p = data;
	struct digest digest;
	size_t left;

	for (left = len; left >= 8; left -= 8, p += 8)
		absorb(&s, get_le64(p));
	while (left--)
		last |= (uint64_t)p[left] << (8 * left);
	absorb(&s, last);

	s.v2 ^= 0xee;
	rounds(&s, 4);
	digest.lo = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	s.v1 ^= 0xdd;
	rounds(&s, 4);
	digest.hi = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return digest;
}
