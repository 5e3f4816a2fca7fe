// SPDX-License-Identifier: GPL-2.0
/* Tests of generation; included by module/generation.c, to see its inside. */

#include "generation_test.h"
#include "nature.h"

#include <kunit/test.h>

static u64 generation_test_id[2];
static const u64 *saved_id;
static generation_reset_fn saved_reset;

static struct {
	unsigned int resets;
	const struct generation_scope *scope;
	enum forkguard_reset_cause cause;
} seen;

/**
 * test_swap_reset() - have resets go elsewhere
 * @reset: to here
 *
 * Return: where they went before.
 */
generation_reset_fn test_swap_reset(generation_reset_fn reset)
{
	generation_reset_fn old = reset_callback;

	reset_callback = reset;
	return old;
}

/**
 * test_settle_resets() - take the generation as it is for seen
 */
void test_settle_resets(void)
{
	cancel_work_sync(&reset_work);
	seen_id[0] = READ_ONCE(generation_id[0]);
	seen_id[1] = READ_ONCE(generation_id[1]);
}

static void count_reset(const struct generation_scope *scope, enum forkguard_reset_cause cause)
{
	seen.resets++;
	seen.scope = scope;
	seen.cause = cause;
}

static void set_generation(u64 id)
{
	generation_test_id[0] = id;
	generation_test_id[1] = id << 32;
}

/* R1: a stamp is current as long as nothing has changed, and never again. */
static void stamp_is_current_once(struct kunit *test)
{
	struct generation_scope scope = { .parent = &generation_root };
	struct generation_stamp stamp = fwg_generation_read(&scope);

	KUNIT_EXPECT_TRUE(test, fwg_generation_is_current(&scope, &stamp));
	generation_test_id[0] ^= 1;
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&scope, &stamp));
	generation_test_id[0] ^= 1;
	generation_test_id[1] ^= 1ULL << 63;
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&scope, &stamp));
	generation_test_id[1] ^= 1ULL << 63;
	KUNIT_EXPECT_TRUE(test, fwg_generation_is_current(&scope, &stamp));
	fwg_generation_force(&scope);
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&scope, &stamp));
	stamp = fwg_generation_read(&scope);
	fwg_generation_force(&generation_root);
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&scope, &stamp));
	stamp = fwg_generation_read(&scope);
	fwg_generation_revoke(&stamp);
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&scope, &stamp));
}

/* R2: with one RNG state, clones draw different bytes; all of the stamp counts. */
static void clones_draw_different_bytes(struct kunit *test)
{
	struct generation_stamp stamp = {}, other = {};
	u8 a[32], b[32];
	size_t i;

	test_fix_nature();
	fwg_generation_draw(&stamp, a, sizeof(a));
	test_fix_nature();
	fwg_generation_draw(&stamp, b, sizeof(b));
	KUNIT_EXPECT_EQ_MSG(test, memcmp(a, b, sizeof(a)), 0, "the RNG is not fixed");
	for (i = 0; i < sizeof(stamp); i++) {
		memset(&other, 0, sizeof(other));
		((u8 *)&other)[i] = 1;
		test_fix_nature();
		fwg_generation_draw(&other, b, sizeof(b));
		KUNIT_EXPECT_NE(test, memcmp(a, b, sizeof(a)), 0);
	}
	/* One image woken twice has one stamp: the time of day may tell. */
	test_fix_nature();
	test_set_outside(1);
	fwg_generation_draw(&stamp, b, sizeof(b));
	KUNIT_EXPECT_NE(test, memcmp(a, b, sizeof(a)), 0);
	/* And the RNG counts: two draws with one stamp differ. */
	fwg_generation_draw(&other, a, sizeof(a));
	KUNIT_EXPECT_NE(test, memcmp(a, b, sizeof(a)), 0);
	test_free_nature();
}

/* R7: one reset for each generation, whoever notices it first, and how often. */
static void resets_once_a_generation(struct kunit *test)
{
	u64 before = fwg_generation_forks();
	int i;

	fwg_generation_notice();
	flush_work(&reset_work);
	KUNIT_EXPECT_EQ(test, seen.resets, 0U);

	set_generation(2);
	for (i = 0; i < 100; i++)
		fwg_generation_notice();
	flush_work(&reset_work);
	KUNIT_EXPECT_EQ(test, seen.resets, 1U);
	KUNIT_EXPECT_EQ(test, seen.cause, FORKGUARD_RESET_CAUSE_PACKET);
	KUNIT_EXPECT_PTR_EQ(test, seen.scope, (const struct generation_scope *)&generation_root);
	fwg_on_vmfork(&vmfork_nb, 0, NULL);
	flush_work(&reset_work);
	KUNIT_EXPECT_EQ(test, seen.resets, 1U);

	set_generation(3);
	fwg_on_vmfork(&vmfork_nb, 0, NULL);
	fwg_generation_notice();
	flush_work(&reset_work);
	KUNIT_EXPECT_EQ(test, seen.resets, 2U);
	KUNIT_EXPECT_EQ(test, seen.cause, FORKGUARD_RESET_CAUSE_NOTIFIER);
	KUNIT_EXPECT_EQ(test, fwg_generation_forks(), before + 2);
}

/* Where there is no ID, the notifier alone makes all stamps stale. */
static void notifier_without_id_resets(struct kunit *test)
{
	struct generation_stamp stamp;

	generation_id = no_id;
	stamp = fwg_generation_read(&generation_root);
	fwg_on_vmfork(&vmfork_nb, 0, NULL);
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&generation_root, &stamp));
	KUNIT_EXPECT_EQ(test, seen.resets, 1U);
	KUNIT_EXPECT_EQ(test, seen.cause, FORKGUARD_RESET_CAUSE_NOTIFIER);
	KUNIT_EXPECT_EQ(test, fwg_generation_source(), FORKGUARD_GENERATION_SOURCE_NONE);
}

/* R7: from before the machine sleeps until it is awake no stamp is current. */
static void image_holds_nothing_of_use(struct kunit *test)
{
	static const unsigned long actions[][2] = {
		{ PM_SUSPEND_PREPARE, PM_POST_SUSPEND },
		{ PM_HIBERNATION_PREPARE, PM_POST_HIBERNATION },
		{ PM_RESTORE_PREPARE, PM_POST_RESTORE },
	};
	struct generation_stamp before, asleep, after;
	int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		seen.resets = 0;
		before = fwg_generation_read(&generation_root);
		fwg_on_pm(&pm_nb, actions[i][0], NULL);
		KUNIT_EXPECT_EQ(test, seen.resets, 1U);
		KUNIT_EXPECT_EQ(test, seen.cause, FORKGUARD_RESET_CAUSE_SUSPEND);
		KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&generation_root, &before));
		asleep = fwg_generation_read(&generation_root);
		KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&generation_root, &asleep));
		fwg_on_pm(&pm_nb, actions[i][1], NULL);
		KUNIT_EXPECT_EQ(test, seen.resets, 2U);
		KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&generation_root, &asleep));
		after = fwg_generation_read(&generation_root);
		KUNIT_EXPECT_TRUE(test, fwg_generation_is_current(&generation_root, &after));
	}
}

/* A generation can be told from another, but the ID is not given away. */
static void tag_names_the_generation(struct kunit *test)
{
	u8 tag[FORKGUARD_GENERATION_TAG_LEN], other[FORKGUARD_GENERATION_TAG_LEN];

	KUNIT_ASSERT_TRUE(test, fwg_generation_tag(tag));
	KUNIT_EXPECT_NE(test, memcmp(tag, generation_test_id, sizeof(tag)), 0);
	set_generation(2);
	KUNIT_ASSERT_TRUE(test, fwg_generation_tag(other));
	KUNIT_EXPECT_NE(test, memcmp(tag, other, sizeof(tag)), 0);
	generation_id = no_id;
	KUNIT_EXPECT_FALSE(test, fwg_generation_tag(tag));
}

static int generation_test_init(struct kunit *test)
{
	memset(&seen, 0, sizeof(seen));
	saved_id = generation_id;
	set_generation(1);
	generation_id = generation_test_id;
	test_settle_resets();
	saved_reset = test_swap_reset(count_reset);
	return 0;
}

static void generation_test_exit(struct kunit *test)
{
	generation_id = saved_id;
	test_settle_resets();
	test_swap_reset(saved_reset);
	forks = 0;
}

static struct kunit_case generation_cases[] = {
	KUNIT_CASE(stamp_is_current_once),
	KUNIT_CASE(clones_draw_different_bytes),
	KUNIT_CASE(resets_once_a_generation),
	KUNIT_CASE(notifier_without_id_resets),
	KUNIT_CASE(image_holds_nothing_of_use),
	KUNIT_CASE(tag_names_the_generation),
	{},
};

static struct kunit_suite generation_suite = {
	.name = "generation",
	.init = generation_test_init,
	.exit = generation_test_exit,
	.test_cases = generation_cases,
};

kunit_test_suite(generation_suite);
