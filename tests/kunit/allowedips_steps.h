/* SPDX-License-Identifier: GPL-2.0 */
/*
 * allowedips_steps: included before module/allowedips.c when it is built for
 * KUnit. Each access to data that readers and writers share becomes a step, before
 * which a test can run code.
 */
#ifndef _FORKGUARD_TEST_ALLOWEDIPS_STEPS_H
#define _FORKGUARD_TEST_ALLOWEDIPS_STEPS_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/rhashtable.h>

void test_allowedips_step(void);

#define AFTER_ALLOWEDIPS_STEP(call)     \
	({                              \
		test_allowedips_step(); \
		call;                   \
	})

/* Of readers. */
#define find_next_bit(...) AFTER_ALLOWEDIPS_STEP((find_next_bit)(__VA_ARGS__))
#define rhashtable_lookup(...) AFTER_ALLOWEDIPS_STEP((rhashtable_lookup)(__VA_ARGS__))

/* Of writers. */
#define set_bit(...) AFTER_ALLOWEDIPS_STEP((set_bit)(__VA_ARGS__))
#define clear_bit(...) AFTER_ALLOWEDIPS_STEP((clear_bit)(__VA_ARGS__))
#define list_move_tail(...) AFTER_ALLOWEDIPS_STEP((list_move_tail)(__VA_ARGS__))
#define rhashtable_remove_fast(...) AFTER_ALLOWEDIPS_STEP((rhashtable_remove_fast)(__VA_ARGS__))

#endif /* _FORKGUARD_TEST_ALLOWEDIPS_STEPS_H */
