// SPDX-License-Identifier: GPL-2.0
/*
 * clock: the time for the timestamps of handshake initiations.
 *
 * A peer refuses an initiation whose timestamp is not later than the latest that it
 * has seen. The wall clock of a restored machine goes on from its snapshot, and may be
 * hours behind the timestamps that other clones have sent since. The hypervisor keeps
 * the RTC right.
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
 * struct rtc_reading - a reading of the RTC
 * @seconds: the time, as CLOCK_REALTIME or as local time
 * @boottime: when the RTC was read, ns
 * @stamp: the generation in which it was read
 * @valid: false if there is no RTC
 */
struct rtc_reading {
	time64_t seconds;
	u64 boottime;
	struct generation_stamp stamp;
	bool valid;
};

/* How far the RTC was ahead of the wall clock when the module was loaded: its time zone. */
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
 * fwg_clock_init() - learn the time zone of the RTC while the wall clock is right
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
 * Correct @now by a reading of an RTC that was @zone ahead at the start. The RTC may
 * run in local time, or may have been set since. So the lag of @now is computed both
 * with and without @zone, and the smaller one is corrected.
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

/* Reading the RTC is slow. One reading serves for a second, but not across a fork. */
static bool fwg_is_fresh(const struct rtc_reading *rtc, u64 boottime)
{
	return boottime - rtc->boottime < NSEC_PER_SEC &&
	       fwg_generation_is_current(&generation_root, &rtc->stamp);
}

/**
 * fwg_clock_now() - the wall clock, corrected by the RTC after a fork
 *
 * Before the first fork the RTC is ignored: it may have drifted ahead.
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
