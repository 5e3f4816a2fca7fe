/* SPDX-License-Identifier: GPL-2.0 */
/*
 * steps: included before each file of module/noise/ when it is built for KUnit.
 * Each call that reads the generation, draws, computes a hash, a key or a
 * ciphertext, or accesses a counter becomes a step, before which a test can run code:
 * a fork of the machine, an interrupt.
 */
#ifndef _FORKGUARD_TEST_STEPS_H
#define _FORKGUARD_TEST_STEPS_H

#include "clock.h"
#include "generation.h"
#include "messages.h"
#include "nature.h"

#include <linux/atomic.h>
#include <linux/ktime.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/timekeeping.h>

void test_step(void);
void test_step_diffie_hellman(void);

#define AFTER_STEP(call)     \
	({                   \
		test_step(); \
		call;        \
	})

#define fwg_generation_read(...) AFTER_STEP((fwg_generation_read)(__VA_ARGS__))
#define fwg_generation_is_current(...) AFTER_STEP((fwg_generation_is_current)(__VA_ARGS__))
#define fwg_generation_draw(...) AFTER_STEP((fwg_generation_draw)(__VA_ARGS__))
#define curve25519(...)                     \
	({                                  \
		test_step_diffie_hellman(); \
		(curve25519)(__VA_ARGS__);  \
	})
#define curve25519_generate_public(...)                    \
	({                                                 \
		test_step_diffie_hellman();                \
		(curve25519_generate_public)(__VA_ARGS__); \
	})
#define blake2s_final(...) AFTER_STEP((blake2s_final)(__VA_ARGS__))
#define chacha20poly1305_encrypt_sg_inplace(...) \
	AFTER_STEP((chacha20poly1305_encrypt_sg_inplace)(__VA_ARGS__))
#define xchacha20poly1305_encrypt(...) AFTER_STEP((xchacha20poly1305_encrypt)(__VA_ARGS__))
#define xchacha20poly1305_decrypt(...) AFTER_STEP((xchacha20poly1305_decrypt)(__VA_ARGS__))
#define chacha20poly1305_decrypt(...) AFTER_STEP((chacha20poly1305_decrypt)(__VA_ARGS__))
#define chacha20poly1305_decrypt_sg_inplace(...) \
	AFTER_STEP((chacha20poly1305_decrypt_sg_inplace)(__VA_ARGS__))
#define atomic64_fetch_add_unless(...) AFTER_STEP((atomic64_fetch_add_unless)(__VA_ARGS__))
#define atomic64_read(...) AFTER_STEP((atomic64_read)(__VA_ARGS__))
#define atomic64_inc(...) AFTER_STEP((atomic64_inc)(__VA_ARGS__))
#define get_random_bytes(...) test_random_bytes(__VA_ARGS__)
#define wait_for_random_bytes() test_wait_for_random_bytes()
#define fwg_clock_now() AFTER_STEP(test_clock_now())
#define ktime_get_coarse_boottime_ns() test_boottime_ns()

#endif /* _FORKGUARD_TEST_STEPS_H */
