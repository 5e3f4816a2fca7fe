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
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/rtc.h>
#include <linux/timekeeping.h>

/**
 * struct rtc_reading - what the RTC has shown
 * @seconds: CLOCK_REALTIME, or local time
 * @boottime: when it was read, ns
 * @stamp: in which generation
 * @valid: there is an RTC
 */
struct rtc_reading {
	time64_t seconds;
	u64 boottime;
	struct generation_stamp stamp;
	bool valid;
};

/* How far the RTC was ahead of the wall clock at the start: its time zone; and when that was. */
static time64_t rtc_zone;
static struct generation_stamp start;

#if IS_BUILTIN(CONFIG_RTC_CLASS)
static bool fwg_read_rtc(time64_t *seconds)
{
	struct rtc_device *rtc = rtc_class_open("rtc0");
	struct rtc_time tm;
	bool ok;

	if (!rtc)
		return false;
	ok = !rtc_read_time(rtc, &tm);
	rtc_class_close(rtc);
	if (ok)
		*seconds = rtc_tm_to_time64(&tm);
	return ok;
}
#else
static bool fwg_read_rtc(time64_t *seconds)
{
	return false;
}
#endif

/**
 * fwg_clock_init() - learn what the RTC shows while the wall clock is right
 *
 * Context: process.
 */
void fwg_clock_init(void)
{
	time64_t seconds;

	start = fwg_generation_read(&generation_root);
	rtc_zone = fwg_read_rtc(&seconds) ? seconds - ktime_get_real_seconds() : 0;
}

/*
 * @now as it should be by a reading of an RTC that was @zone ahead at the start.
 * The RTC may be in local time, or was put right since: only what both
 * differences agree on is believed.
 */
static struct timespec64 fwg_put_right(struct timespec64 now, u64 boottime,
				       const struct rtc_reading *rtc, time64_t zone)
{
	time64_t ahead;

	if (!rtc->valid)
		return now;
	ahead = rtc->seconds + (time64_t)div_u64(boottime - rtc->boottime, NSEC_PER_SEC) -
		now.tv_sec;
	now.tv_sec += max_t(time64_t, 0, min(ahead, ahead - zone));
	return now;
}

/* Reading the RTC is slow: once a second is often enough, but not across a fork. */
static bool fwg_is_fresh(const struct rtc_reading *rtc, u64 boottime)
{
	return boottime - rtc->boottime < NSEC_PER_SEC &&
	       fwg_generation_is_current(&generation_root, &rtc->stamp);
}

/**
 * fwg_clock_now() - the wall clock, put right by the RTC where a fork has left it behind
 *
 * As long as there was none, an RTC that has drifted ahead is not believed.
 *
 * Context: process; sleeps.
 */
struct timespec64 fwg_clock_now(void)
{
	static struct rtc_reading last = { .stamp.epoch = GENERATION_NEVER };
	static DEFINE_MUTEX(lock);
	struct rtc_reading rtc;
	struct timespec64 now;

	ktime_get_real_ts64(&now);
	if (fwg_generation_is_current(&generation_root, &start))
		return now;

	mutex_lock(&lock);
	if (!fwg_is_fresh(&last, ktime_get_boottime_ns())) {
		last.stamp = fwg_generation_read(&generation_root);
		last.valid = fwg_read_rtc(&last.seconds);
		last.boottime = ktime_get_boottime_ns();
	}
	rtc = last;
	mutex_unlock(&lock);

	ktime_get_real_ts64(&now);
	return fwg_put_right(now, ktime_get_boottime_ns(), &rtc, rtc_zone);
}

#ifdef FORKGUARD_KUNIT
#include "clock_test.c"
#endif
