// SPDX-License-Identifier: GPL-2.0
/* Tests of replay. */

#include "noise/replay.h"

#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/bottom_half.h>
#include <linux/hash.h>
#include <linux/limits.h>
#include <linux/slab.h>

static bool accept(struct replay_window *window, u64 counter)
{
	bool ok;

	local_bh_disable();
	ok = fwg_replay_accept(window, counter);
	local_bh_enable();
	return ok;
}

static void window_edges(struct kunit *test)
{
	struct replay_window *window = kunit_kzalloc(test, sizeof(*window), GFP_KERNEL);
	const u64 limit = U64_MAX - BIT_ULL(13);

	KUNIT_ASSERT_NOT_NULL(test, window);
	fwg_replay_init(window);
	KUNIT_EXPECT_TRUE(test, accept(window, 0));
	KUNIT_EXPECT_FALSE(test, accept(window, 0));
	KUNIT_EXPECT_TRUE(test, accept(window, REPLAY_WINDOW));
	KUNIT_EXPECT_FALSE(test, accept(window, REPLAY_WINDOW));
	KUNIT_EXPECT_FALSE(test, accept(window, 0));
	KUNIT_EXPECT_TRUE(test, accept(window, 1));
	KUNIT_EXPECT_FALSE(test, accept(window, 1));
	KUNIT_EXPECT_TRUE(test, accept(window, 2 * REPLAY_WINDOW));
	KUNIT_EXPECT_FALSE(test, accept(window, REPLAY_WINDOW));
	KUNIT_EXPECT_TRUE(test, accept(window, REPLAY_WINDOW + 1));
	KUNIT_EXPECT_TRUE(test, accept(window, REPLAY_BITS * 100ULL));
	KUNIT_EXPECT_FALSE(test, accept(window, REPLAY_BITS * 100ULL));
	KUNIT_EXPECT_FALSE(test, accept(window, 2 * REPLAY_WINDOW));
	KUNIT_EXPECT_TRUE(test, accept(window, limit - 1));
	KUNIT_EXPECT_TRUE(test, accept(window, limit - REPLAY_WINDOW));
	KUNIT_EXPECT_FALSE(test, accept(window, limit - 1 - REPLAY_WINDOW));
	KUNIT_EXPECT_FALSE(test, accept(window, limit - 1));
}

/* In any order, exactly the counters in the window that are new are accepted. */
static void window_agrees_with_memory(struct kunit *test)
{
	const u32 all = 1 << 22;
	struct replay_window *window = kunit_kzalloc(test, sizeof(*window), GFP_KERNEL);
	unsigned long *memory = kvcalloc(BITS_TO_LONGS(all), sizeof(long), GFP_KERNEL);
	u32 i, top = 0, counter, accepted = 0;
	bool any = false, expected, got;

	KUNIT_ASSERT_TRUE(test, window && memory);
	fwg_replay_init(window);
	for (i = 1; i < 200000; i++) {
		u32 r = hash_32(i, 32);

		/* Mostly near the top, sometimes far ahead or behind. */
		if (i % 1000 == 0)
			counter = top + r % (3 * REPLAY_BITS);
		else if (i % 7 == 0)
			counter = top - min(top, r % (2 * REPLAY_BITS));
		else
			counter = top + r % 3 - min(top, (r >> 8) % 3);
		if (counter >= all)
			break;
		expected = (!any || counter + REPLAY_WINDOW >= top + 1) &&
			   !test_bit(counter, memory);
		got = accept(window, counter);
		if (got != expected) {
			KUNIT_FAIL(test, "counter %u, top %u: accepted %d\n", counter, top, got);
			break;
		}
		if (got) {
			set_bit(counter, memory);
			top = max(top, counter);
			any = true;
			accepted++;
		}
	}
	KUNIT_EXPECT_GT(test, accepted, 10000U);
	kvfree(memory);
}

static struct kunit_case replay_cases[] = {
	KUNIT_CASE(window_edges),
	KUNIT_CASE(window_agrees_with_memory),
	{},
};

static struct kunit_suite replay_suite = {
	.name = "replay",
	.test_cases = replay_cases,
};

kunit_test_suite(replay_suite);
