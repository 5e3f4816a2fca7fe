// SPDX-License-Identifier: GPL-2.0
/* Tests of clock; included by module/clock.c, to see its inside. */

#include <kunit/test.h>

/* R8: the RTC is believed when it is ahead, and not for its time zone. */
static void lag_is_what_the_rtc_knows(struct kunit *test)
{
	const time64_t hour = 3600;

	KUNIT_EXPECT_EQ(test, lag_of(0, 0), 0LL);
	KUNIT_EXPECT_EQ(test, lag_of(1, 0), 0LL);
	KUNIT_EXPECT_EQ(test, lag_of(20, 0), 20LL);
	KUNIT_EXPECT_EQ(test, lag_of(-20, 0), 0LL);
	/* Local time, east of Greenwich: no lag, and a lag. */
	KUNIT_EXPECT_EQ(test, lag_of(2 * hour, 2 * hour), 0LL);
	KUNIT_EXPECT_EQ(test, lag_of(2 * hour + 20, 2 * hour), 20LL);
	/* The wall clock was wrong at the start, and both were put right. */
	KUNIT_EXPECT_EQ(test, lag_of(0, -hour), 0LL);
	KUNIT_EXPECT_EQ(test, lag_of(20, -hour), 20LL);
	/* ... west of it: a lag of less than the zone goes unseen. */
	KUNIT_EXPECT_EQ(test, lag_of(20 - 5 * hour, -5 * hour), 0LL);
}

static void clock_goes_on(struct kunit *test)
{
	struct timespec64 first = clock_now(), second = clock_now();

	KUNIT_EXPECT_LE(test, timespec64_compare(&first, &second), 0);
	KUNIT_EXPECT_LE(test, abs(first.tv_sec - ktime_get_real_seconds()), 1LL);
}

static struct kunit_case clock_cases[] = { KUNIT_CASE(lag_is_what_the_rtc_knows),
					   KUNIT_CASE(clock_goes_on),
					   {} };

static struct kunit_suite clock_suite = {
	.name = "clock",
	.test_cases = clock_cases,
};

kunit_test_suite(clock_suite);
