// SPDX-License-Identifier: GPL-2.0
/* Tests of clock; included by module/clock.c, whose static parts they use. */

#include <kunit/test.h>

static time64_t lag(time64_t ahead, time64_t zone)
{
	const struct timespec64 now = { .tv_sec = 1000000 };
	const struct rtc_reading rtc = { .seconds = now.tv_sec + ahead, .valid = true };

	return fwg_put_right(now, 0, &rtc, zone).tv_sec - now.tv_sec;
}

/* R8: the clock follows the RTC if that is ahead, but not because of its time zone. */
static void lag_is_what_the_rtc_knows(struct kunit *test)
{
	const time64_t hour = 3600;

	KUNIT_EXPECT_EQ(test, lag(0, 0), 0LL);
	KUNIT_EXPECT_EQ(test, lag(20, 0), 20LL);
	KUNIT_EXPECT_EQ(test, lag(-20, 0), 0LL);
	/* Local time, east of Greenwich: no lag, and a lag. */
	KUNIT_EXPECT_EQ(test, lag(2 * hour, 2 * hour), 0LL);
	KUNIT_EXPECT_EQ(test, lag(2 * hour + 20, 2 * hour), 20LL);
	/* ... west of it: a lag of less than the zone goes unseen. */
	KUNIT_EXPECT_EQ(test, lag(20 - 5 * hour, -5 * hour), 0LL);
	/* The wall clock was wrong at the start, and both were corrected. */
	KUNIT_EXPECT_EQ(test, lag(0, -hour), 0LL);
	KUNIT_EXPECT_EQ(test, lag(20, -hour), 20LL);
}

/* A lag that was already corrected is not corrected again. */
static void lag_is_made_good_once(struct kunit *test)
{
	struct rtc_reading rtc = { .seconds = 5000, .boottime = 100 * NSEC_PER_SEC, .valid = true };
	struct timespec64 now = { .tv_sec = 1000 };

	KUNIT_EXPECT_EQ(test, fwg_put_right(now, rtc.boottime, &rtc, 0).tv_sec, 5000LL);
	now.tv_sec = 5000;
	KUNIT_EXPECT_EQ(test, fwg_put_right(now, rtc.boottime, &rtc, 0).tv_sec, 5000LL);
	/* The age of the reading counts. */
	now.tv_sec = 1007;
	KUNIT_EXPECT_EQ(test, fwg_put_right(now, 107 * NSEC_PER_SEC, &rtc, 0).tv_sec, 5007LL);
	rtc.valid = false;
	KUNIT_EXPECT_EQ(test, fwg_put_right(now, rtc.boottime, &rtc, 0).tv_sec, 1007LL);
}

/* A reading from before a fork is not used. */
static void reading_ends_with_its_generation(struct kunit *test)
{
	struct rtc_reading rtc = { .stamp = fwg_generation_read(&generation_root) };

	KUNIT_EXPECT_TRUE(test, fwg_is_fresh(&rtc, NSEC_PER_SEC - 1));
	KUNIT_EXPECT_FALSE(test, fwg_is_fresh(&rtc, NSEC_PER_SEC));
	fwg_generation_revoke(&rtc.stamp);
	KUNIT_EXPECT_FALSE(test, fwg_is_fresh(&rtc, NSEC_PER_SEC - 1));
}

static void clock_goes_on(struct kunit *test)
{
	time64_t before = ktime_get_real_seconds();
	struct timespec64 first = fwg_clock_now(), second = fwg_clock_now();

	/* Whatever time it takes. */
	KUNIT_EXPECT_LE(test, before, first.tv_sec);
	KUNIT_EXPECT_LE(test, timespec64_compare(&first, &second), 0);
	KUNIT_EXPECT_LE(test, second.tv_sec, ktime_get_real_seconds() + 1);
}

static struct kunit_case clock_cases[] = {
	KUNIT_CASE(lag_is_what_the_rtc_knows),
	KUNIT_CASE(lag_is_made_good_once),
	KUNIT_CASE(reading_ends_with_its_generation),
	KUNIT_CASE(clock_goes_on),
	{},
};

static struct kunit_suite clock_suite = {
	.name = "clock",
	.test_cases = clock_cases,
};

kunit_test_suite(clock_suite);
