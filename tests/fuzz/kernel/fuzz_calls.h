/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fuzz_calls: included before each file of module/noise/, to replace its draws and
 * Diffie-Hellmans by those of noise.c.
 */
#ifndef _FORKGUARD_FUZZ_CALLS_H
#define _FORKGUARD_FUZZ_CALLS_H

#include "generation.h"

#include <crypto/curve25519.h>

bool fuzz_curve25519(u8 out[CURVE25519_KEY_SIZE], const u8 secret[CURVE25519_KEY_SIZE],
		     const u8 point[CURVE25519_KEY_SIZE]);
void fuzz_draw(const struct generation_stamp *stamp, void *out, size_t len);

#ifdef FUZZ_REPLACE_CALLS
#define curve25519 fuzz_curve25519
#define curve25519_generate_public(out, secret) fuzz_curve25519(out, secret, curve25519_base_point)
#define fwg_generation_draw fuzz_draw
#endif

#endif /* _FORKGUARD_FUZZ_CALLS_H */
