/* SPDX-License-Identifier: GPL-2.0 */
/* timers: what a peer does on its own, and when (WireGuard whitepaper, section 6). */
#ifndef _FORKGUARD_TIMERS_H
#define _FORKGUARD_TIMERS_H

#include "noise.h"

#include <linux/atomic.h>
#include <linux/timer.h>

struct fwg_timers;

/*
 * Milliseconds between two initiations with a reset between them. A peer accepts no
 * more than INITIATIONS_PER_SECOND, by a clock with ticks of up to 10 ms.
 */
#define RECOVERY_INTERVAL (2 * MSEC_PER_SEC / INITIATIONS_PER_SECOND)

/**
 * enum fwg_initiate_reason - why a timer begins a handshake
 * @FWG_INITIATE_RETRY: the last initiation was not answered
 * @FWG_INITIATE_SILENCE: the peer does not answer data
 * @FWG_INITIATE_RECOVERY: a reset wiped a session, or it was too early until now
 */
enum fwg_initiate_reason {
	FWG_INITIATE_RETRY,
	FWG_INITIATE_SILENCE,
	FWG_INITIATE_RECOVERY,
};

/**
 * struct fwg_timers_ops - callbacks of the user of timers; softirq
 * @may_run: false if the peer is being removed or its interface is down. Called under
 *	RCU: a grace period after it has become false, no timer is armed any more
 * @initiate: begin a handshake; false if it is too early for one
 * @keepalive: send a keepalive
 * @give_up: there is no answer: drop the packets that wait for a session
 * @expire: there was no new session for a long time: wipe the old ones
 */
struct fwg_timers_ops {
	bool (*may_run)(const struct fwg_timers *timers);
	bool (*initiate)(struct fwg_timers *timers, enum fwg_initiate_reason reason);
	void (*keepalive)(struct fwg_timers *timers);
	void (*give_up)(struct fwg_timers *timers);
	void (*expire)(struct fwg_timers *timers);
};

/**
 * struct fwg_timers - the timers of a peer
 * @ops: callbacks of their user
 * @noise: the peer
 * @retransmit_handshake: an initiation was not answered
 * @send_keepalive: something was received, nothing sent since
 * @new_handshake: something was sent, nothing received since
 * @zero_sessions: there was no new session for a long time
 * @persistent_keepalive: NATs and firewalls on the path must stay open
 * @recover: a handshake is wanted, but could not begin at once
 * @keepalive_interval: persistent keepalive, seconds, 0 for none
 * @last_handshake_sent: initiation or response: boot time, ns
 * @last_handshake: when a session was last confirmed: CLOCK_REALTIME, ns, 0
 *	for never
 * @handshake_attempts: initiations in a row without an answer
 * @hurry: the next initiation need not wait for the usual interval
 * @recovering: a reset wiped a session in use, or a handshake was voided, and there
 *	is no new session yet
 * @recovery_rounds: how often recovery has given up, to try again later
 */
struct fwg_timers {
	const struct fwg_timers_ops *ops;
	struct noise_peer *noise;
	struct timer_list retransmit_handshake;
	struct timer_list send_keepalive;
	struct timer_list new_handshake;
	struct timer_list zero_sessions;
	struct timer_list persistent_keepalive;
	struct timer_list recover;
	u16 keepalive_interval;
	atomic64_t last_handshake_sent;
	atomic64_t last_handshake;
	atomic_t handshake_attempts;
	bool hurry;
	bool recovering;
	unsigned int recovery_rounds;
};

void fwg_timers_init(struct fwg_timers *timers, struct noise_peer *noise,
		     const struct fwg_timers_ops *ops);
void fwg_timers_stop(struct fwg_timers *timers);

bool fwg_timers_initiation_wanted(struct fwg_timers *timers, bool retry);
bool fwg_timers_take_initiation(struct fwg_timers *timers);
void fwg_timers_too_early(struct fwg_timers *timers);
void fwg_timers_initiated(struct fwg_timers *timers);
void fwg_timers_responded(struct fwg_timers *timers);
void fwg_timers_handshake_complete(struct fwg_timers *timers);
void fwg_timers_session_derived(struct fwg_timers *timers);

void fwg_timers_data_sent(struct fwg_timers *timers);
void fwg_timers_data_received(struct fwg_timers *timers);
void fwg_timers_any_sent(struct fwg_timers *timers);
void fwg_timers_any_received(struct fwg_timers *timers);

void fwg_timers_recover(struct fwg_timers *timers, unsigned int others);
void fwg_timers_recovering(struct fwg_timers *timers);
bool fwg_timers_waiting(const struct fwg_timers *timers);

#endif /* _FORKGUARD_TIMERS_H */
