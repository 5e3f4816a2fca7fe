// SPDX-License-Identifier: GPL-2.0
/*
 * timers: what a peer does by itself.
 *
 *  retransmit_handshake   an initiation was not answered: begin another one
 *  send_keepalive         something was received, nothing sent since
 *  new_handshake          something was sent, nothing received since
 *  zero_sessions          no new session for long: wipe the old ones
 *  persistent_keepalive   the user wants the way to stay open
 *  recover                begin a handshake that could not begin at once: a reset
 *			   wiped a session in use, or it was a moment too early
 */

#include "timers.h"
#include "peer.h"
#include "send.h"

#include <linux/jiffies.h>
#include <linux/timekeeping.h>

/* Up to a third of a second, so that many do not all come at once. */
static unsigned long fwg_jitter(struct fwg_peer *peer)
{
	u32 r;

	fwg_noise_peer_draw(peer->noise, &r, sizeof(r));
	return r % (HZ / 3);
}

/* Not for a peer that is being removed, nor while the interface is down. */
static bool fwg_may_arm(const struct fwg_peer *peer)
{
	return !READ_ONCE(peer->dead) && netif_running(peer->device->dev);
}

static void fwg_arm(struct fwg_peer *peer, struct timer_list *timer, unsigned long delay)
{
	rcu_read_lock();
	if (fwg_may_arm(peer))
		mod_timer(timer, jiffies + delay);
	rcu_read_unlock();
}

/* Not later than it would have gone off. */
static void fwg_arm_earlier(struct fwg_peer *peer, struct timer_list *timer, unsigned long delay)
{
	rcu_read_lock();
	if (fwg_may_arm(peer))
		timer_reduce(timer, jiffies + delay);
	rcu_read_unlock();
}

static void fwg_on_retransmit_handshake(struct timer_list *timer)
{
	struct fwg_peer *peer = from_timer(peer, timer, timers.retransmit_handshake);

	if (atomic_read(&peer->handshake_attempts) > MAX_HANDSHAKE_ATTEMPTS) {
		del_timer(&peer->timers.send_keepalive);
		/* Nobody is there: nothing waits for ever. */
		fwg_send_purge(peer);
		if (!timer_pending(&peer->timers.zero_sessions))
			fwg_arm(peer, &peer->timers.zero_sessions, REJECT_AFTER_TIME * 3 * HZ);
		/* A clone may get its network late: go on, slowly. */
		if (READ_ONCE(peer->recovering))
			fwg_arm(peer, &peer->timers.recover,
				REKEY_AFTER_TIME * HZ + fwg_jitter(peer));
		return;
	}
	atomic_inc(&peer->handshake_attempts);
	fwg_socket_clear_source(peer);
	/* Too early, if one of the peer's was answered meanwhile. */
	if (!fwg_send_queue_initiation(peer, true))
		fwg_timers_handshake_initiated(peer);
}

static void fwg_on_send_keepalive(struct timer_list *timer)
{
	struct fwg_peer *peer = from_timer(peer, timer, timers.send_keepalive);

	fwg_send_keepalive(peer);
}

static void fwg_on_new_handshake(struct timer_list *timer)
{
	struct fwg_peer *peer = from_timer(peer, timer, timers.new_handshake);

	fwg_socket_clear_source(peer);
	fwg_send_queue_initiation(peer, false);
}

static void fwg_on_zero_sessions(struct timer_list *timer)
{
	struct fwg_peer *peer = from_timer(peer, timer, timers.zero_sessions);

	fwg_noise_peer_clear(peer->noise);
}

static void fwg_on_persistent_keepalive(struct timer_list *timer)
{
	struct fwg_peer *peer = from_timer(peer, timer, timers.persistent_keepalive);

	if (READ_ONCE(peer->keepalive_interval))
		fwg_send_keepalive(peer);
}

static void fwg_on_recover(struct timer_list *timer)
{
	struct fwg_peer *peer = from_timer(peer, timer, timers.recover);

	if (!fwg_peer_has_session(peer))
		fwg_send_queue_initiation(peer, false);
}

/**
 * fwg_timers_init() - prepare the timers of a new peer
 * @peer: the peer
 */
void fwg_timers_init(struct fwg_peer *peer)
{
	timer_setup(&peer->timers.retransmit_handshake, fwg_on_retransmit_handshake, 0);
	timer_setup(&peer->timers.send_keepalive, fwg_on_send_keepalive, 0);
	timer_setup(&peer->timers.new_handshake, fwg_on_new_handshake, 0);
	timer_setup(&peer->timers.zero_sessions, fwg_on_zero_sessions, 0);
	timer_setup(&peer->timers.persistent_keepalive, fwg_on_persistent_keepalive, 0);
	timer_setup(&peer->timers.recover, fwg_on_recover, 0);
}

/**
 * fwg_timers_stop() - stop all timers
 * @peer: the peer; dead, or of an interface that is down, for a grace period
 *
 * Context: process.
 */
void fwg_timers_stop(struct fwg_peer *peer)
{
	del_timer_sync(&peer->timers.retransmit_handshake);
	del_timer_sync(&peer->timers.send_keepalive);
	del_timer_sync(&peer->timers.new_handshake);
	del_timer_sync(&peer->timers.zero_sessions);
	del_timer_sync(&peer->timers.persistent_keepalive);
	del_timer_sync(&peer->timers.recover);
	atomic_set(&peer->handshake_attempts, 0);
	WRITE_ONCE(peer->recovering, false);
}

/**
 * fwg_timers_data_sent() - a data message that is no keepalive was sent
 * @peer: to this peer
 */
void fwg_timers_data_sent(struct fwg_peer *peer)
{
	if (!timer_pending(&peer->timers.new_handshake))
		fwg_arm(peer, &peer->timers.new_handshake,
			(KEEPALIVE_TIMEOUT + REKEY_TIMEOUT) * HZ + fwg_jitter(peer));
}

/**
 * fwg_timers_data_received() - a data message that is no keepalive was received
 * @peer: from this peer
 */
void fwg_timers_data_received(struct fwg_peer *peer)
{
	if (!timer_pending(&peer->timers.send_keepalive))
		fwg_arm(peer, &peer->timers.send_keepalive, KEEPALIVE_TIMEOUT * HZ);
}

static void fwg_any_passed(struct fwg_peer *peer)
{
	u16 interval = READ_ONCE(peer->keepalive_interval);

	if (interval)
		fwg_arm(peer, &peer->timers.persistent_keepalive, interval * HZ);
}

/**
 * fwg_timers_any_sent() - an authenticated message of any kind was sent
 * @peer: to this peer
 */
void fwg_timers_any_sent(struct fwg_peer *peer)
{
	del_timer(&peer->timers.send_keepalive);
	fwg_any_passed(peer);
}

/**
 * fwg_timers_any_received() - an authentic message of any kind was received
 * @peer: from this peer
 */
void fwg_timers_any_received(struct fwg_peer *peer)
{
	del_timer(&peer->timers.new_handshake);
	fwg_any_passed(peer);
}

/**
 * fwg_timers_handshake_initiated() - an initiation was sent, or could not be
 * @peer: to this peer
 */
void fwg_timers_handshake_initiated(struct fwg_peer *peer)
{
	fwg_arm(peer, &peer->timers.retransmit_handshake, REKEY_TIMEOUT * HZ + fwg_jitter(peer));
}

/**
 * fwg_timers_handshake_complete() - there is a session that both sides have
 * @peer: with this peer
 */
void fwg_timers_handshake_complete(struct fwg_peer *peer)
{
	struct timespec64 now;

	/* A reset has wiped it meanwhile: what that has begun goes on. */
	if (!fwg_peer_has_session(peer))
		return;
	del_timer(&peer->timers.retransmit_handshake);
	atomic_set(&peer->handshake_attempts, 0);
	WRITE_ONCE(peer->recovering, false);
	ktime_get_real_ts64(&now);
	write_lock_bh(&peer->endpoint_lock);
	peer->last_handshake = now;
	write_unlock_bh(&peer->endpoint_lock);
}

/**
 * fwg_timers_session_derived() - there are keys for a new session
 * @peer: with this peer
 */
void fwg_timers_session_derived(struct fwg_peer *peer)
{
	fwg_arm(peer, &peer->timers.zero_sessions, REJECT_AFTER_TIME * 3 * HZ);
}

/**
 * fwg_timers_hurry() - it is a moment too early for an initiation that is wanted
 * @peer: to this peer
 */
void fwg_timers_hurry(struct fwg_peer *peer)
{
	fwg_arm_earlier(peer, &peer->timers.recover, msecs_to_jiffies(RECOVERY_INTERVAL) + 1);
}

/**
 * fwg_timers_recover() - a reset wiped a session in use
 * @peer: with this peer
 *
 * The handshake that follows does not wait for the usual time between two; the
 * jitter spares a peer that talks to many clones.
 */
void fwg_timers_recover(struct fwg_peer *peer)
{
	WRITE_ONCE(peer->recovering, true);
	WRITE_ONCE(peer->hurry, true);
	fwg_arm_earlier(peer, &peer->timers.recover,
			msecs_to_jiffies(RECOVERY_INTERVAL) + 1 + fwg_jitter(peer));
}

/**
 * fwg_timers_recovering() - is there a wiped session yet to be replaced?
 * @peer: with this peer
 *
 * Return: true while a handshake is to be begun for it, be it in minutes.
 */
bool fwg_timers_recovering(const struct fwg_peer *peer)
{
	return READ_ONCE(peer->recovering) && timer_pending(&peer->timers.recover);
}
