// SPDX-License-Identifier: GPL-2.0
/*
 * timers: what a peer does on its own.
 *
 *  retransmit_handshake   an initiation was not answered: begin another one
 *  send_keepalive         something was received, nothing sent since
 *  new_handshake          something was sent, nothing received since
 *  zero_sessions          no new session for a long time: wipe the old ones
 *  persistent_keepalive   the user wants NATs and firewalls to stay open
 *  recover                begin a handshake that could not begin at once: a reset
 *			   wiped a session in use, or it was a moment too early
 */

#include "timers.h"

#include <linux/jiffies.h>
#include <linux/rcupdate.h>
#include <linux/timekeeping.h>

/*
 * After a reset, a peer that does not answer for REKEY_ATTEMPT_TIME is tried again
 * in two minutes, then in four, and so on: for an hour in all. A clone may get its
 * network late, but a peer that is gone is not tried for ever.
 */
#define MAX_RECOVERY_ROUNDS 5

/* How many handshakes after a reset begin in the same third of a second. */
#define RECOVERIES_AT_ONCE 1000

/* Up to a third of a second, so that many peers do not act at once. */
static unsigned long fwg_jitter(struct fwg_timers *timers)
{
	u32 r;

	fwg_noise_peer_draw(timers->noise, &r, sizeof(r));
	return r % (HZ / 3);
}

/* Not for a peer that is being removed, nor while the interface is down. */
static void fwg_arm(struct fwg_timers *timers, struct timer_list *timer, unsigned long delay)
{
	rcu_read_lock();
	if (timers->ops->may_run(timers))
		mod_timer(timer, jiffies + delay);
	rcu_read_unlock();
}

/* Arm a timer, unless it is to expire earlier than that. */
static void fwg_arm_earlier(struct fwg_timers *timers, struct timer_list *timer,
			    unsigned long delay)
{
	rcu_read_lock();
	if (timers->ops->may_run(timers))
		timer_reduce(timer, jiffies + delay);
	rcu_read_unlock();
}

/* The peer does not answer: retry later. */
static void fwg_recover_later(struct fwg_timers *timers)
{
	unsigned int round = READ_ONCE(timers->recovery_rounds);

	if (!READ_ONCE(timers->recovering))
		return;
	if (round == MAX_RECOVERY_ROUNDS) {
		WRITE_ONCE(timers->recovering, false);
		return;
	}
	WRITE_ONCE(timers->recovery_rounds, round + 1);
	fwg_arm(timers, &timers->recover,
		((unsigned long)REKEY_AFTER_TIME << round) * HZ + fwg_jitter(timers));
}

static void fwg_on_retransmit_handshake(struct timer_list *timer)
{
	struct fwg_timers *timers = from_timer(timers, timer, retransmit_handshake);

	if (atomic_read(&timers->handshake_attempts) > MAX_HANDSHAKE_ATTEMPTS) {
		del_timer(&timers->send_keepalive);
		timers->ops->give_up(timers);
		if (!timer_pending(&timers->zero_sessions))
			fwg_arm(timers, &timers->zero_sessions, REJECT_AFTER_TIME * 3 * HZ);
		fwg_recover_later(timers);
		return;
	}
	atomic_inc(&timers->handshake_attempts);
	/* It is too early if an initiation of the peer was answered meanwhile. */
	if (!timers->ops->initiate(timers, FWG_INITIATE_RETRY))
		fwg_timers_initiated(timers);
}

static void fwg_on_send_keepalive(struct timer_list *timer)
{
	struct fwg_timers *timers = from_timer(timers, timer, send_keepalive);

	timers->ops->keepalive(timers);
}

static void fwg_on_new_handshake(struct timer_list *timer)
{
	struct fwg_timers *timers = from_timer(timers, timer, new_handshake);

	timers->ops->initiate(timers, FWG_INITIATE_SILENCE);
}

static void fwg_on_zero_sessions(struct timer_list *timer)
{
	struct fwg_timers *timers = from_timer(timers, timer, zero_sessions);

	timers->ops->expire(timers);
}

static void fwg_on_persistent_keepalive(struct timer_list *timer)
{
	struct fwg_timers *timers = from_timer(timers, timer, persistent_keepalive);

	if (READ_ONCE(timers->keepalive_interval))
		timers->ops->keepalive(timers);
}

static void fwg_on_recover(struct timer_list *timer)
{
	struct fwg_timers *timers = from_timer(timers, timer, recover);

	if (!fwg_noise_peer_has_session(timers->noise))
		timers->ops->initiate(timers, FWG_INITIATE_RECOVERY);
}

/**
 * fwg_timers_init() - prepare the timers of a new peer
 * @timers: the timers
 * @noise: the peer
 * @ops: callbacks of their user
 */
void fwg_timers_init(struct fwg_timers *timers, struct noise_peer *noise,
		     const struct fwg_timers_ops *ops)
{
	timers->noise = noise;
	timers->ops = ops;
	WRITE_ONCE(timers->hurry, true);
	timer_setup(&timers->retransmit_handshake, fwg_on_retransmit_handshake, 0);
	timer_setup(&timers->send_keepalive, fwg_on_send_keepalive, 0);
	timer_setup(&timers->new_handshake, fwg_on_new_handshake, 0);
	timer_setup(&timers->zero_sessions, fwg_on_zero_sessions, 0);
	timer_setup(&timers->persistent_keepalive, fwg_on_persistent_keepalive, 0);
	timer_setup(&timers->recover, fwg_on_recover, 0);
}

/**
 * fwg_timers_stop() - stop all timers
 * @timers: the timers; ops->may_run() has been false for a grace period
 *
 * Context: process.
 */
void fwg_timers_stop(struct fwg_timers *timers)
{
	del_timer_sync(&timers->retransmit_handshake);
	del_timer_sync(&timers->send_keepalive);
	del_timer_sync(&timers->new_handshake);
	del_timer_sync(&timers->zero_sessions);
	del_timer_sync(&timers->persistent_keepalive);
	del_timer_sync(&timers->recover);
	atomic_set(&timers->handshake_attempts, 0);
	WRITE_ONCE(timers->recovering, false);
}

/* The earliest time of the next initiation: boot time, ns. */
static u64 fwg_next_initiation(const struct fwg_timers *timers, s64 last)
{
	return last + (READ_ONCE(timers->hurry) ? (u64)RECOVERY_INTERVAL * NSEC_PER_MSEC :
						  (u64)REKEY_TIMEOUT * NSEC_PER_SEC);
}

static void fwg_begin_soon(struct fwg_timers *timers)
{
	fwg_arm_earlier(timers, &timers->recover, msecs_to_jiffies(RECOVERY_INTERVAL) + 1);
}

/**
 * fwg_timers_initiation_wanted() - may an initiation be sent?
 * @timers: the timers of the responder
 * @retry: true if the last one was not answered
 *
 * If it is too early and there is a hurry, a timer sends it as soon as it may.
 *
 * Context: any but hard interrupts.
 * Return: false if it is too early.
 */
bool fwg_timers_initiation_wanted(struct fwg_timers *timers, bool retry)
{
	if (!retry)
		atomic_set(&timers->handshake_attempts, 0);
	if (ktime_get_boottime_ns() >=
	    fwg_next_initiation(timers, atomic64_read(&timers->last_handshake_sent)))
		return true;
	if (READ_ONCE(timers->hurry))
		fwg_begin_soon(timers);
	return false;
}

/**
 * fwg_timers_take_initiation() - take the right to send an initiation now
 * @timers: the timers of the responder
 *
 * Context: any.
 * Return: false if it is too early, because another caller has taken it.
 */
bool fwg_timers_take_initiation(struct fwg_timers *timers)
{
	s64 last = atomic64_read(&timers->last_handshake_sent);
	u64 now = ktime_get_boottime_ns();

	if (now < fwg_next_initiation(timers, last) ||
	    !atomic64_try_cmpxchg(&timers->last_handshake_sent, &last, now))
		return false;
	WRITE_ONCE(timers->hurry, false);
	return true;
}

/**
 * fwg_timers_too_early() - it was too early to send an initiation
 * @timers: the timers of the responder
 */
void fwg_timers_too_early(struct fwg_timers *timers)
{
	if (READ_ONCE(timers->hurry))
		fwg_begin_soon(timers);
	else if (!fwg_noise_peer_has_session(timers->noise))
		fwg_timers_initiated(timers);
}

/**
 * fwg_timers_initiated() - an initiation was sent, or could not be sent
 * @timers: the timers of the responder
 */
void fwg_timers_initiated(struct fwg_timers *timers)
{
	fwg_arm(timers, &timers->retransmit_handshake, REKEY_TIMEOUT * HZ + fwg_jitter(timers));
}

/**
 * fwg_timers_responded() - a response is about to be sent
 * @timers: the timers of the initiator
 */
void fwg_timers_responded(struct fwg_timers *timers)
{
	atomic64_set(&timers->last_handshake_sent, ktime_get_boottime_ns());
}

/**
 * fwg_timers_data_sent() - a data message that is no keepalive was sent
 * @timers: the timers of the peer
 */
void fwg_timers_data_sent(struct fwg_timers *timers)
{
	if (!timer_pending(&timers->new_handshake))
		fwg_arm(timers, &timers->new_handshake,
			(KEEPALIVE_TIMEOUT + REKEY_TIMEOUT) * HZ + fwg_jitter(timers));
}

/**
 * fwg_timers_data_received() - a data message that is no keepalive was received
 * @timers: the timers of the peer
 */
void fwg_timers_data_received(struct fwg_timers *timers)
{
	if (!timer_pending(&timers->send_keepalive))
		fwg_arm(timers, &timers->send_keepalive, KEEPALIVE_TIMEOUT * HZ);
}

static void fwg_any_passed(struct fwg_timers *timers)
{
	u16 interval = READ_ONCE(timers->keepalive_interval);

	if (interval)
		fwg_arm(timers, &timers->persistent_keepalive, interval * HZ);
}

/**
 * fwg_timers_any_sent() - an authenticated message of any kind was sent
 * @timers: the timers of the peer
 */
void fwg_timers_any_sent(struct fwg_timers *timers)
{
	del_timer(&timers->send_keepalive);
	fwg_any_passed(timers);
}

/**
 * fwg_timers_any_received() - an authentic message of any kind was received
 * @timers: the timers of the peer
 */
void fwg_timers_any_received(struct fwg_timers *timers)
{
	del_timer(&timers->new_handshake);
	fwg_any_passed(timers);
}

/**
 * fwg_timers_handshake_complete() - there is a session that both sides have
 * @timers: the timers of the peer
 */
void fwg_timers_handshake_complete(struct fwg_timers *timers)
{
	/* A reset has wiped the session meanwhile; the recovery that it began goes on. */
	if (!fwg_noise_peer_has_session(timers->noise))
		return;
	del_timer(&timers->retransmit_handshake);
	atomic_set(&timers->handshake_attempts, 0);
	WRITE_ONCE(timers->recovering, false);
	atomic64_set(&timers->last_handshake, ktime_get_real_ns());
}

/**
 * fwg_timers_session_derived() - there are keys for a new session
 * @timers: the timers of the peer
 */
void fwg_timers_session_derived(struct fwg_timers *timers)
{
	fwg_arm(timers, &timers->zero_sessions, REJECT_AFTER_TIME * 3 * HZ);
}

/**
 * fwg_timers_recover() - a reset wiped a session in use
 * @timers: the timers of the peer
 * @others: how many peers recover before this one
 *
 * A handshake follows without the usual interval after the last one. Jitter spares a
 * peer of many clones; delays by @others spare a hub with many peers.
 */
void fwg_timers_recover(struct fwg_timers *timers, unsigned int others)
{
	WRITE_ONCE(timers->recovering, true);
	WRITE_ONCE(timers->recovery_rounds, 0);
	WRITE_ONCE(timers->hurry, true);
	fwg_arm_earlier(timers, &timers->recover,
			msecs_to_jiffies(RECOVERY_INTERVAL) + 1 + fwg_jitter(timers) +
				(unsigned long)(others / RECOVERIES_AT_ONCE) * (HZ / 3));
}

/**
 * fwg_timers_recovering() - a reset wiped a session in use, and a handshake has begun
 * @timers: the timers of the peer
 *
 * If it is not answered, others follow for an hour, as after fwg_timers_recover().
 */
void fwg_timers_recovering(struct fwg_timers *timers)
{
	WRITE_ONCE(timers->recovery_rounds, 0);
	/* Pairs with fwg_timers_handshake_complete(), which may come meanwhile. */
	smp_store_mb(timers->recovering, true);
	if (fwg_noise_peer_has_session(timers->noise))
		WRITE_ONCE(timers->recovering, false);
}

/**
 * fwg_timers_waiting() - does a wiped session wait for its successor?
 * @timers: the timers of the peer
 *
 * Return: true while a handshake for it has yet to begin, even if in an hour.
 */
bool fwg_timers_waiting(const struct fwg_timers *timers)
{
	return READ_ONCE(timers->recovering) && !fwg_noise_peer_has_begun(timers->noise);
}
