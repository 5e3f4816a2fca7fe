/* SPDX-License-Identifier: GPL-2.0 */
/* nature: random bytes and clocks that a test has in its hand; see noise_test.c. */
#ifndef _FORKGUARD_TEST_NATURE_H
#define _FORKGUARD_TEST_NATURE_H

#include <linux/time64.h>
#include <linux/types.h>

void test_fix_nature(void);
void test_free_nature(void);
void test_random_bytes(void *buf, size_t len);
struct timespec64 test_clock_now(void);
u64 test_boottime_ns(void);

#endif /* _FORKGUARD_TEST_NATURE_H */
