/* SPDX-License-Identifier: GPL-2.0 */
/* nature: random bytes and clocks that a test controls; see noise_test.c. */
#ifndef _FORKGUARD_TEST_NATURE_H
#define _FORKGUARD_TEST_NATURE_H

#include <linux/ktime.h>
#include <linux/random.h>
#include <linux/time64.h>
#include <linux/timex.h>
#include <linux/types.h>

void test_fix_nature(void);
void test_free_nature(void);
void test_set_outside(u64 value);
void test_random_bytes(void *buf, size_t len);
int test_wait_for_random_bytes(void);
struct timespec64 test_clock_now(void);
u64 test_boottime_ns(void);
u64 test_outside(u64 value);

/* The sources of fwg_generation_draw(). */
#ifdef TEST_FIX_DRAWS
#undef random_get_entropy
#define random_get_entropy() test_outside(random_get_entropy_fallback())
#define ktime_get_real_ns() test_outside((ktime_get_real_ns)())
#define get_random_bytes(...) test_random_bytes(__VA_ARGS__)
#endif

#endif /* _FORKGUARD_TEST_NATURE_H */
