/* SPDX-License-Identifier: GPL-2.0 */
/*
 * symmetric: hash, HKDF and the state of a handshake that they are mixed into
 * (sections 4.3 and 5.2 of the Noise specification); and wiping the stack.
 */
#ifndef _FORKGUARD_NOISE_SYMMETRIC_H
#define _FORKGUARD_NOISE_SYMMETRIC_H

#include "private.h"

/* How deep it goes: Poly1305 in vector code, and Curve25519 in portable C. */
enum stack_kib {
	DATA_STACK_KIB = 2,
	HANDSHAKE_STACK_KIB = 3,
};

void fwg_wipe_stack(enum stack_kib kib);
void fwg_kdf(u8 *const out[], u8 n, const u8 chaining_key[NOISE_HASH_LEN], const u8 *in,
	     size_t len);
void fwg_mix_hash(struct noise_handshake *hs, const u8 *in, size_t len);
void fwg_mix_psk(struct noise_handshake *hs, const u8 psk[NOISE_SYMMETRIC_KEY_LEN]);
void fwg_mix_shared(struct noise_handshake *hs, const u8 shared[NOISE_PUBLIC_KEY_LEN]);
int __must_check fwg_mix_dh(struct noise_handshake *hs, const u8 private_key[NOISE_PUBLIC_KEY_LEN],
			    const u8 public_key[NOISE_PUBLIC_KEY_LEN]);
void fwg_mix_ephemeral(struct noise_handshake *hs, const u8 public_key[NOISE_PUBLIC_KEY_LEN]);

#endif /* _FORKGUARD_NOISE_SYMMETRIC_H */
