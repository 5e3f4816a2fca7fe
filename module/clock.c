// SPDX-License-Identifier: GPL-2.0
/*
 * clock: the time that a handshake initiation may claim.
 *
 * A peer refuses an initiation whose timestamp is not later than the latest it
 * has seen. A restored machine has the wall clock of its snapshot, hours behind
 * what its relatives have sent since; but its RTC is the hypervisor's, and right.
 */

#include "clock.h"
#include "generation.h"

#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/rtc.h>
#include <linux/timekeeping.h>

/* How far the RTC was ahead of the wall clock at the start: its time zone. */
static time64_t rtc_zone;

#if IS_BUILTIN(CONFIG_RTC_CLASS)
static bool rtc_ahead(time64_t *seconds)
{
	struct rtc_device *rtc = rtc_class_open("rtc0");
	struct rtc_time tm;
	bool ok;

	if (!rtc)
		return false;
	ok = !rtc_read_time(rtc, &tm);
	rtc_class_close(rtc);
	if (ok)
		*seconds = rtc_tm_to_time64(&tm) - ktime_get_real_seconds();
	return ok;
}
#else
static bool rtc_ahead(time64_t *seconds)
{
	return false;
}
#endif

/**
 * clock_init() - learn what the RTC shows while the wall clock is right
 *
 * Context: process.
 */
void clock_init(void)
{
	if (!rtc_ahead(&rtc_zone))
		rtc_zone = 0;
}

/*
 * The seconds that the wall clock is behind, by an RTC that was @zone ahead at
 * the start and is @ahead now. It may be in local time, or was put right since;
 * only what both readings agree on is believed. It has no more than seconds: one
 * is not a lag.
 */
static time64_t lag_of(time64_t ahead, time64_t zone)
{
	time64_t seconds = min(ahead, ahead - zone);

	return seconds > 1 ? seconds : 0;
}

/* Reading the RTC is slow: once a second is often enough, but not across a fork. */
static time64_t lag(void)
{
	static DEFINE_MUTEX(lock);
	static time64_t seconds;
	static struct generation_stamp stamp;
	static u64 next_read;
	time64_t ahead;
	u64 now = ktime_get_boottime_ns();
	time64_t ret;

	mutex_lock(&lock);
	if (now >= next_read || !generation_is_current(&generation_root, &stamp)) {
		stamp = generation_read(&generation_root);
		seconds = rtc_ahead(&ahead) ? lag_of(ahead, rtc_zone) : 0;
		next_read = now + NSEC_PER_SEC;
	}
	ret = seconds;
	mutex_unlock(&lock);
	return ret;
}

/**
 * clock_now() - the wall clock, put right by the RTC where it is behind
 *
 * Context: process; sleeps.
 */
struct timespec64 clock_now(void)
{
	struct timespec64 now;
	time64_t behind = lag();

	ktime_get_real_ts64(&now);
	now.tv_sec += behind;
	return now;
}

#ifdef FORKGUARD_KUNIT
#include "clock_test.c"
#endif
