// SPDX-License-Identifier: GPL-2.0
/* symmetric: see symmetric.h. */

#include "symmetric.h"

#include <linux/string.h>

/*
 * Wipe what earlier calls have left on the stack below the caller's frame (R9).
 * The kernel's crypto wipes its copies of keys, but leaves key stream and one-time
 * keys of messages. Its portable C code also leaves the intermediate state of hashes,
 * from which keys can be computed.
 */
noinline void fwg_wipe_stack(enum stack_kib kib)
{
	u8 leavings[1024] __uninitialized;

	if (kib > 1)
		fwg_wipe_stack(kib - 1);
	memzero_explicit(leavings, sizeof(leavings));
}

/* HMAC-BLAKE2s (RFC 2104) of two concatenated inputs. */
static void fwg_hmac(u8 out[NOISE_HASH_LEN], const u8 key[NOISE_HASH_LEN], const u8 *in, size_t len,
		     const u8 *in2, size_t len2)
{
	struct blake2s_state state;
	u8 pad[BLAKE2S_BLOCK_SIZE] __aligned(sizeof(u32)) = {};
	u8 inner[NOISE_HASH_LEN];
	int i;

	memcpy(pad, key, NOISE_HASH_LEN);
	for (i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	blake2s_init(&state, NOISE_HASH_LEN);
	blake2s_update(&state, pad, sizeof(pad));
	blake2s_update(&state, in, len);
	blake2s_update(&state, in2, len2);
	blake2s_final(&state, inner);

	for (i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	blake2s_init(&state, NOISE_HASH_LEN);
	blake2s_update(&state, pad, sizeof(pad));
	blake2s_update(&state, inner, sizeof(inner));
	blake2s_final(&state, out);

	memzero_explicit(&state, sizeof(state));
	memzero_explicit(pad, sizeof(pad));
	memzero_explicit(inner, sizeof(inner));
}

/*
 * HKDF as in section 4.3 of the Noise specification, with @n outputs. An output that
 * is NULL is computed and discarded. An output may be the chaining key itself.
 */
void fwg_kdf(u8 *const out[], u8 n, const u8 chaining_key[NOISE_HASH_LEN], const u8 *in, size_t len)
{
	u8 temp[NOISE_HASH_LEN], last[NOISE_HASH_LEN] = {};
	u8 i;

	fwg_hmac(temp, chaining_key, in, len, NULL, 0);
	for (i = 1; i <= n; i++) {
		fwg_hmac(last, temp, last, i > 1 ? sizeof(last) : 0, &i, 1);
		if (out[i - 1])
			memcpy(out[i - 1], last, NOISE_HASH_LEN);
	}
	memzero_explicit(temp, sizeof(temp));
	memzero_explicit(last, sizeof(last));
}

void fwg_mix_hash(struct noise_handshake *hs, const u8 *in, size_t len)
{
	struct blake2s_state state;

	blake2s_init(&state, NOISE_HASH_LEN);
	blake2s_update(&state, hs->hash, NOISE_HASH_LEN);
	blake2s_update(&state, in, len);
	blake2s_final(&state, hs->hash);
}

static void fwg_mix_key(struct noise_handshake *hs, const u8 *in, size_t len)
{
	fwg_kdf((u8 *const[]){ hs->chaining_key, hs->key }, 2, hs->chaining_key, in, len);
}

void fwg_mix_psk(struct noise_handshake *hs, const u8 psk[NOISE_SYMMETRIC_KEY_LEN])
{
	u8 temp[NOISE_HASH_LEN];

	fwg_kdf((u8 *const[]){ hs->chaining_key, temp, hs->key }, 3, hs->chaining_key, psk,
		NOISE_SYMMETRIC_KEY_LEN);
	fwg_mix_hash(hs, temp, sizeof(temp));
	memzero_explicit(temp, sizeof(temp));
}

/* Mix in the result of a Diffie-Hellman. */
void fwg_mix_shared(struct noise_handshake *hs, const u8 shared[NOISE_PUBLIC_KEY_LEN])
{
	fwg_mix_key(hs, shared, NOISE_PUBLIC_KEY_LEN);
}

/* Compute a Diffie-Hellman and mix it in. A public key of low order is rejected. */
int __must_check fwg_mix_dh(struct noise_handshake *hs, const u8 private_key[NOISE_PUBLIC_KEY_LEN],
			    const u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	u8 shared[NOISE_PUBLIC_KEY_LEN];
	bool ok = curve25519(shared, private_key, public_key);

	if (ok)
		fwg_mix_shared(hs, shared);
	memzero_explicit(shared, sizeof(shared));
	return ok ? 0 : -EKEYREJECTED;
}

/* Mix in an ephemeral public key; patterns with a PSK also mix it into the key. */
void fwg_mix_ephemeral(struct noise_handshake *hs, const u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	fwg_mix_hash(hs, public_key, NOISE_PUBLIC_KEY_LEN);
	fwg_mix_key(hs, public_key, NOISE_PUBLIC_KEY_LEN);
}
