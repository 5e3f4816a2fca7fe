/* SPDX-License-Identifier: GPL-2.0 */
/*
 * symmetric: hash, HKDF, and mixing into the state of a handshake (Noise
 * specification, sections 4.3 and 5.2). Also wiping of the stack.
 */
#ifndef _FORKGUARD_NOISE_SYMMETRIC_H
#define _FORKGUARD_NOISE_SYMMETRIC_H

#include "private.h"

/*
 * How much stack to wipe, in KiB. Measured by painting the stack before a call: in
 * Linux 6.1 and 6.12 with AVX2, sealing or opening a message uses 1,240 bytes and a
 * Diffie-Hellman 930; in portable C with KASAN, 1,570 and 1,800. KUnit's
 * stack_is_wiped_deep_enough fails if crypto uses more stack than is wiped.
 */
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
