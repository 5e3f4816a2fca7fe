// SPDX-License-Identifier: GPL-2.0
/* Tests of generation; included by module/generation.c, whose static parts they use. */

#include "generation_test.h"
#include "nature.h"

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/irqflags.h>

/* A time limit, reached only after a fault. */
#define LONG_ENOUGH (20 * HZ)

static u64 generation_test_id[2];
static const u64 *saved_id;
static generation_reset_fn saved_reset;

static struct {
	unsigned int resets;
	enum forkguard_reset_cause cause;
	bool wait;
} seen;

/**
 * test_swap_reset() - replace the callback that wipes
 * @reset: the new one
 *
 * Return: the old one.
 */
generation_reset_fn test_swap_reset(generation_reset_fn reset)
{
	generation_reset_fn old = reset_callback;

	reset_callback = reset;
	return old;
}

/**
 * test_settle_resets() - make sure that earlier changes cause no further reset
 */
void test_settle_resets(void)
{
	cancel_work_sync(&reset_work);
	generation_seen[0] = READ_ONCE(generation_id[0]);
	generation_seen[1] = READ_ONCE(generation_id[1]);
}

static void count_reset(enum forkguard_reset_cause cause, bool wait)
{
	seen.resets++;
	seen.cause = cause;
	seen.wait = wait;
}

static void set_generation(u64 id)
{
	generation_test_id[0] = id;
	generation_test_id[1] = id << 32;
}

/*
 * For tests in userspace, on a machine without an ID: a number written to this module
 * parameter becomes the generation ID. The first one counts as the ID that the machine
 * always had; each other one is a fork, without a notification.
 */
static int set_test_generation(const char *value, const struct kernel_param *param)
{
	u64 id;
	int err = kstrtou64(value, 0, &id);

	if (err)
		return err;
	if (generation_id != no_id && generation_id != generation_test_id)
		return -EBUSY;
	set_generation(id);
	if (generation_id == no_id) {
		generation_id = generation_test_id;
		check = FORKGUARD_GENERATION_CHECK_PACKET;
		test_settle_resets();
	}
	return 0;
}

static const struct kernel_param_ops test_generation_ops = { .set = set_test_generation };
module_param_cb(test_generation, &test_generation_ops, NULL, 0200);

/* R1: a stamp is current until the ID or an epoch of its scopes changes. */
static void stamp_is_current_until_a_change(struct kunit *test)
{
	struct generation_scope scope = { .parent = &generation_root };
	struct generation_stamp stamp = fwg_generation_read(&scope);
	int i;

	KUNIT_EXPECT_TRUE(test, fwg_generation_is_current(&scope, &stamp));
	for (i = 0; i < 128; i++) {
		generation_test_id[i / 64] ^= 1ULL << i % 64;
		KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&scope, &stamp));
		generation_test_id[i / 64] ^= 1ULL << i % 64;
	}
	fwg_generation_advance(&scope);
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&scope, &stamp));
	stamp = fwg_generation_read(&scope);
	KUNIT_EXPECT_TRUE(test, fwg_generation_is_current(&scope, &stamp));
	fwg_generation_advance(&generation_root);
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&scope, &stamp));
	stamp = fwg_generation_read(&scope);
	fwg_generation_revoke(&stamp);
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&scope, &stamp));
}

static struct generation_stamp *to_revoke;

static void revoke_at_reset(enum forkguard_reset_cause cause, bool wait)
{
	fwg_generation_revoke(to_revoke);
}

/*
 * A2, and why it is needed: if an ID comes back before the reset has run, old stamps
 * are current again. After the reset they are not, whatever the ID.
 */
static void returned_id_makes_current_until_the_reset(struct kunit *test)
{
	struct generation_stamp stamp = fwg_generation_read(&generation_root);

	set_generation(2);
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&generation_root, &stamp));
	set_generation(1);
	KUNIT_EXPECT_TRUE(test, fwg_generation_is_current(&generation_root, &stamp));

	to_revoke = &stamp;
	test_swap_reset(revoke_at_reset);
	set_generation(2);
	fwg_generation_notice();
	flush_work(&reset_work);
	set_generation(1);
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&generation_root, &stamp));
}

/* R2: with one RNG state, clones draw different bytes. They depend on the whole stamp. */
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
	/* If one image is woken twice, the stamps are equal, but the time of day differs. */
	test_fix_nature();
	test_set_outside(1);
	fwg_generation_draw(&stamp, b, sizeof(b));
	KUNIT_EXPECT_NE(test, memcmp(a, b, sizeof(a)), 0);
	/* Draws depend on the RNG: two with one stamp differ. */
	fwg_generation_draw(&other, a, sizeof(a));
	KUNIT_EXPECT_NE(test, memcmp(a, b, sizeof(a)), 0);
	test_free_nature();
}

/* R7: one reset for each generation, however it is noticed, and how often. */
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
	KUNIT_EXPECT_FALSE(test, seen.wait);
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

/* R7: reading a new stamp notices the fork, even if no check ever fails. */
static void reading_a_new_stamp_is_a_notice(struct kunit *test)
{
	u64 before = fwg_generation_forks();
	struct generation_stamp stamp;
	int i;

	fwg_generation_read(&generation_root);
	flush_work(&reset_work);
	KUNIT_EXPECT_EQ(test, seen.resets, 0U);
	for (i = 0; i < 2; i++) {
		generation_test_id[i] ^= 1;
		stamp = fwg_generation_read(&generation_root);
		fwg_generation_read(&generation_root);
		flush_work(&reset_work);
		KUNIT_EXPECT_TRUE(test, fwg_generation_is_current(&generation_root, &stamp));
		KUNIT_EXPECT_EQ(test, seen.resets, i + 1U);
		KUNIT_EXPECT_EQ(test, seen.cause, FORKGUARD_RESET_CAUSE_PACKET);
		KUNIT_EXPECT_EQ(test, fwg_generation_forks(), before + i + 1);
	}
}

/* R10: without an ID, the notifier makes all stamps stale, even from a hard interrupt. */
static void notifier_without_id_resets(struct kunit *test)
{
	struct generation_stamp stamp;
	bool current_after, enabled_after;

	generation_id = no_id;
	test_settle_resets();
	stamp = fwg_generation_read(&generation_root);
	local_irq_disable();
	fwg_on_vmfork(&vmfork_nb, 0, NULL);
	enabled_after = !irqs_disabled();
	current_after = fwg_generation_is_current(&generation_root, &stamp);
	local_irq_enable();
	KUNIT_EXPECT_FALSE(test, enabled_after);
	KUNIT_EXPECT_FALSE(test, current_after);
	flush_work(&reset_work);
	KUNIT_EXPECT_EQ(test, seen.resets, 1U);
	KUNIT_EXPECT_EQ(test, seen.cause, FORKGUARD_RESET_CAUSE_NOTIFIER);
	KUNIT_EXPECT_EQ(test, fwg_generation_source(), FORKGUARD_GENERATION_SOURCE_NONE);
}

static DECLARE_COMPLETION(reset_begins);
static DECLARE_COMPLETION(reset_may_end);

static void slow_reset(enum forkguard_reset_cause cause, bool wait)
{
	complete(&reset_begins);
	wait_for_completion_timeout(&reset_may_end, LONG_ENOUGH);
	seen.resets++;
}

/* R6: the epoch advances at once, also during another reset. */
static void epoch_waits_for_no_reset(struct kunit *test)
{
	struct generation_scope scope = { .parent = &generation_root };
	struct generation_stamp stamp;

	reinit_completion(&reset_begins);
	reinit_completion(&reset_may_end);
	test_swap_reset(slow_reset);
	set_generation(2);
	fwg_generation_notice();
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&reset_begins, LONG_ENOUGH), 0UL);

	stamp = fwg_generation_read(&scope);
	KUNIT_EXPECT_TRUE(test, fwg_generation_is_current(&scope, &stamp));
	fwg_generation_advance(&scope);
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&scope, &stamp));
	generation_id = no_id;
	stamp = fwg_generation_read(&scope);
	fwg_on_vmfork(&vmfork_nb, 0, NULL);
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(&scope, &stamp));
	KUNIT_EXPECT_EQ(test, seen.resets, 0U);

	complete_all(&reset_may_end);
	flush_work(&reset_work);
	KUNIT_EXPECT_EQ(test, seen.resets, 2U);
}

/* R10: an idle machine notices a fork on its own, as long as there are secrets to watch for. */
static void idle_machine_looks_by_itself(struct kunit *test)
{
	u64 before = fwg_generation_forks();
	unsigned long end = jiffies + LONG_ENOUGH;

	fwg_generation_watch();
	fwg_generation_watch();
	fwg_generation_unwatch();
	KUNIT_EXPECT_TRUE(test, delayed_work_pending(&look_work));
	set_generation(2);
	while (fwg_generation_forks() == before && time_before(jiffies, end))
		msleep(20);
	KUNIT_EXPECT_EQ(test, fwg_generation_forks(), before + 1);
	flush_work(&reset_work);
	KUNIT_EXPECT_EQ(test, seen.resets, 1U);
	KUNIT_EXPECT_TRUE(test, delayed_work_pending(&look_work));
	fwg_generation_unwatch();
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&look_work));

	/* Without an ID there is nothing to look at. */
	generation_id = no_id;
	fwg_generation_watch();
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&look_work));
	fwg_generation_unwatch();
}

/* R7: from before the machine sleeps until it is awake, no stamp is current. */
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
		KUNIT_EXPECT_TRUE(test, seen.wait);
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

/* A tag identifies the generation for readers with one salt, and does not reveal the ID. */
static void tag_names_the_generation(struct kunit *test)
{
	static const u8 salt[GENERATION_SALT_LEN] = { 1 }, other_salt[GENERATION_SALT_LEN] = { 2 };
	u8 tag[FORKGUARD_GENERATION_TAG_LEN], other[FORKGUARD_GENERATION_TAG_LEN];

	KUNIT_ASSERT_TRUE(test, fwg_generation_tag(salt, tag));
	KUNIT_EXPECT_NE(test, memcmp(tag, generation_test_id, sizeof(tag)), 0);
	KUNIT_ASSERT_TRUE(test, fwg_generation_tag(salt, other));
	KUNIT_EXPECT_EQ(test, memcmp(tag, other, sizeof(tag)), 0);
	KUNIT_ASSERT_TRUE(test, fwg_generation_tag(other_salt, other));
	KUNIT_EXPECT_NE(test, memcmp(tag, other, sizeof(tag)), 0);
	set_generation(2);
	KUNIT_ASSERT_TRUE(test, fwg_generation_tag(salt, other));
	KUNIT_EXPECT_NE(test, memcmp(tag, other, sizeof(tag)), 0);
	generation_id = no_id;
	KUNIT_EXPECT_FALSE(test, fwg_generation_tag(salt, tag));
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
	KUNIT_CASE(stamp_is_current_until_a_change),
	KUNIT_CASE(returned_id_makes_current_until_the_reset),
	KUNIT_CASE(clones_draw_different_bytes),
	KUNIT_CASE(resets_once_a_generation),
	KUNIT_CASE(reading_a_new_stamp_is_a_notice),
	KUNIT_CASE(notifier_without_id_resets),
	KUNIT_CASE(epoch_waits_for_no_reset),
	KUNIT_CASE(idle_machine_looks_by_itself),
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
