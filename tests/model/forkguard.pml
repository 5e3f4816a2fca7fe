/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of forkguard, in Promela: is there an instruction at which a machine can be forked so
 * that two related machines send two different messages under one key and nonce? tests/model/run
 * has spin try all of them, in several bounded worlds, and in worlds with one rule broken.
 *
 * Machines. The state of a machine is m and the states of four processes: two CPUs that send and
 * do handshakes, the worker that resets, and the kernel's notifier. At any step init may take an
 * image, a copy of that state, and continue (the original runs on). Or it may replace the machine
 * by an image, with a new generation ID, at the step at which the image was taken. Related machines
 * share no memory, and the network may bring any message to any of them at any time. So the
 * messages of one do not depend on when another one runs, and they are run one after the other: two
 * clones, a rollback, an original that runs on, a fork of a fork. An image may be restored twice.
 *
 * Messages. Any one of the messages sent is remembered. From then on it is an error to send another
 * text under its key and nonce. A key is named by the ephemeral key that its owner drew for it, so
 * equal ephemeral keys give equal keys; the peer's contribution is assumed to be always the same.
 * The text of a message is 0 or 1, and is chosen as late as possible, during encryption, so it can
 * differ after any earlier fork. (With FIXED_TEXT it is chosen when the message is begun, as in the
 * code.) The text of a response is the initiation that it answers, which it authenticates.
 *
 * Left out, because it makes no difference or would only reduce what can happen: the first half of an
 * initiation, which is always the same text under a key of its own; the stamp that noise_respond()
 * reads at its start; opening data (a peer's message for a session can arrive at any time);
 * timestamps, limits, timers (what they start can start at any time); identities and PSKs; indices.
 * Left out although it matters: the effects of weak memory ordering without the barriers. The scope
 * of a forced reset is one peer, and there is one. The RNG repeats its output in related machines
 * until the notifier was called. The time in generation_draw() helps only if an image of a sleeping
 * machine, which gets no new ID, is woken twice: that case depends on it (WAKES_ALIKE).
 *
 * Steps. A step is a read or a write that others can see, or a sequence in which only one makes a
 * difference. With SPLIT each load of a stamp, and of a check, is a step, and the new ID is any
 * that was not used before, with two halves that are read one after the other.
 *
 * Each inline below names the function that it represents, and what that calls or accesses, in this
 * order; tests/model/run checks the function against it.
 */

/* The size of the world; set by run's -D options. */
#ifndef LIVES /* of the original, and of restored images */
#define LIVES 3
#endif
#ifndef IMAGES
#define IMAGES 1
#endif
#ifndef PACKETS /* sent, in a life */
#define PACKETS 2
#endif
#ifndef HANDSHAKES /* begun or answered, in a life */
#define HANDSHAKES 1
#endif
#ifndef FORCED /* at most so many resets by hand */
#define FORCED 0
#endif
#ifndef SLEEPS /* at most so many times the machine sleeps */
#define SLEEPS 0
#endif
#ifndef CLEARS /* at most so many times all sessions end (interface down, timer) */
#define CLEARS 0
#endif
#ifndef JOBS0 /* what each CPU does */
#define JOBS0 SENDS
#endif
#ifndef JOBS1
#define JOBS1 SENDS
#endif
#define SENDS 1
#define INITIATES 2
#define RESPONDS 4

/*
 * With SIBLINGS, messages are compared only between two machines of which neither is the past of
 * the other: a life ends with the message that is remembered, and lives that could add nothing are
 * left out. Without SIBLINGS, the messages of one life and its past are compared, too.
 */
#ifndef SIBLINGS
#define SIBLINGS 0
#endif

/* With STAMPED, a reset is skipped if its stamp had a walk already. Without, its walk finds nothing. */
#ifdef SPLIT
#define AT_ONCE
#else
#define AT_ONCE atomic
#endif

/* The rule that is broken. */
#ifndef BREAK
#define BREAK NOTHING
#endif
#define NOTHING 0
#define NO_SEAL_CHECK 1 /* R3: a check before the nonce is taken, none after encryption */
#define CHECK_BEFORE 2 /* R3: seal() checks before it encrypts */
#define NOTIFIER_ONLY 3 /* R3: nobody looks at the ID, as in stock WireGuard */
#define PLAIN_DRAW 4 /* R2: the RNG's output is not mixed with the stamp */
#define LATE_STAMP 5 /* R1: the stamp is read after the draw */
#define STALE_FINISH 6 /* R5: a handshake finishes in another stamp than it began in */
#define UNREVOKED 7 /* R6: a session is wiped before its stamp is revoked */
#define HALF_RESET 8 /* R6: a reset forgets two slots */
#define LATE_RESET 9 /* R7: the reset wipes what is new, too */
#define AWAKE 10 /* R7: a machine that is about to sleep hands out stamps */
#define FROZEN_FIRST 11 /* ... or stamps that are read in the wrong order */
#define WAKES_ALIKE 12 /* two wakes of one image have the same time and RNG */
#define HALF_ID 13 /* the check looks at half of the ID */
#define LATE_WALK 14 /* R7: a walk reads its stamp at its end */

/* Events that must be reachable. */
#ifndef REACH
#define REACH NOTHING
#endif
#define TWICE 1 /* two related machines send the same message */
#define ANEW 2 /* each clone sends under keys of its own generation, of its own handshakes */
#define ANSWERED 3 /* ... of handshakes that it answered */
#define DEEP 4 /* a clone of a clone does */
#define REFUSED 5 /* a message is refused after it was encrypted, for a fork */
#define PULLED 6 /* a session is wiped while a CPU encrypts with it */
#define WOKEN 7 /* each wake of an image sends under new keys */
#define YIELDED 8 /* after handshakes that crossed, the machine sends in the session of the peer */
#if REACH
#define reach(what, condition) was_reached = (REACH == (what) && (condition)); assert(!was_reached)
#else
#define reach(what, condition) skip
#endif

#define NEVER 7 /* an epoch */
#define SESSIONS 3
#define NONE SESSIONS

#define hi(id) ((id) >> 1)
#define lo(id) ((id) & 1)

/* Slots of sessions, and kinds of messages; with data, whose session it is. */
#define CURRENT 0
#define PREVIOUS 1
#define NEXT 2
#define OLD 3
#define SLOTS 4
#define INITIATION 1
#define RESPONSE 2
#define INITIATOR 3
#define RESPONDER 4

typedef session_t {
	byte kind;
	byte id;
	byte epoch;
	short key; /* 0 if wiped */
	byte nonce;
	bit live; /* in a slot */
	byte held; /* by how many CPUs, in RCU read-side critical sections */
};

typedef machine_t {
	byte id; /* the hypervisor's generation ID */
	bit acpi; /* the notification is pending */
	byte seed; /* the RNG's state, and how much was drawn since */
	byte drawn;
	byte epoch;
	bit frozen;
	bit noticed; /* generation.c: generation_seen == generation_id */
	bit queued; /* reset_work */
	bit resetting;
#ifdef STAMPED
	byte walk_id; /* reset_stamp */
	byte walk_epoch;
#endif
	bit locked; /* noise_peer.lock */
	bit pending; /* it guards a handshake that the machine has begun, */
	byte hs_id;
	byte hs_epoch;
	short hs_key;
	byte slot[SLOTS]; /* and the slots */
	bit yields; /* sends in that of two crossed sessions that the peer uses */
	session_t session[SESSIONS];
	bit asleep; /* an image of it may be woken */
	byte packets; /* how many of the allowed ones were sent */
	byte handshakes;
	byte forced;
	byte sleeps;
	byte clears;
#if REACH
	byte depth; /* number of forks since the original */
	bit woken;
#endif
};

machine_t m;

/* Images: of m, and of the processes. */
#define FRAMES 60
machine_t image[IMAGES];
byte frames[IMAGES * FRAMES];
byte images;
byte lives; /* how many have ended */
byte used = 1; /* the IDs that were used, a bit for each */
bit fresh; /* an image was taken in this life */
bit over; /* this life ends now */
bit last; /* this life is the last */
bit gone; /* no image will be restored any more */

/* The message that is remembered. */
typedef message_t {
	byte kind;
	short key;
	byte nonce;
};
message_t seen;

/* Violations. */
bit nonce_reused, key_was_wiped, stale_remains, new_was_wiped, was_reached;

#if REACH
byte sent; /* the lives that have sent anew, a bit for each */
#endif

/* For the model alone: is a stamp current, all at once? Is nothing stale left after a reset? */
#define fits(its_id, its_epoch) ((its_id) == m.id && (its_epoch) == m.epoch)
#define fits_in(its) (m.slot[its] == NONE || \
	fits(m.session[m.slot[its]].id, m.session[m.slot[its]].epoch))
#define clean() (fits_in(CURRENT) && fits_in(PREVIOUS) && fits_in(NEXT) && fits_in(OLD) && \
	(!m.pending || fits(m.hs_id, m.hs_epoch)))

/*
 * module/generation.c fwg_notice(): seen_lock, generation_id, generation_seen, fwg_count_fork
 * module/generation.c fwg_count_fork(): queue_work
 */
inline notice() {
	d_step {
		if
		:: !m.noticed -> m.noticed = 1; m.queued = 1
		:: else
		fi
	}
}

/*
 * module/generation.h fwg_generation_read(): generation_id, fwg_generation_epoch, generation_frozen,
 * generation_seen, fwg_generation_notice
 */
inline generation_read() {
	AT_ONCE {
#if BREAK == FROZEN_FIRST
		ok = m.frozen;
#endif
		id = hi(m.id) << 1;
		id = id | lo(m.id);
		epoch = m.epoch;
#if BREAK != FROZEN_FIRST
		ok = m.frozen;
#endif
		if
		:: ok && BREAK != AWAKE -> epoch = NEVER
		:: else
		fi;
		if
		:: id == m.id && BREAK != NOTIFIER_ONLY -> notice()
		:: else
		fi
	}
}

/* module/generation.h fwg_generation_is_current(): fwg_generation_epoch, generation_id, generation_id */
inline generation_is_current(its_id, its_epoch) {
	AT_ONCE {
#if BREAK == NOTIFIER_ONLY
		ok = its_epoch != NEVER
#else
		ok = its_epoch == m.epoch;
		ok = ok && hi(its_id) == hi(m.id);
		ok = ok && (lo(its_id) == lo(m.id) || BREAK == HALF_ID)
#endif
	}
}

/* module/generation.c fwg_generation_draw(): stamp, get_random_bytes, blake2s */
inline generation_draw() {
	d_step {
		key = 1 + (m.seed | m.drawn << 3);
		if
		:: BREAK != PLAIN_DRAW -> key = key + (id << 6) + (epoch << 8)
		:: else
		fi;
		m.drawn++
	}
}

/* For the model alone: a message is sent. */
inline send(its_kind, its_nonce) {
	printf("cpu %d sends %d, key %d, nonce %d, text %d\n", _pid - 1, its_kind, key, its_nonce,
	       text);
	key_was_wiped = key == 0 && BREAK != NO_SEAL_CHECK;
	assert(!key_was_wiped);
	nonce_reused = seen.kind == its_kind && seen.key == key && seen.nonce == its_nonce && text;
	assert(!nonce_reused);
	reach(TWICE, seen.kind == its_kind && seen.key == key && seen.nonce == its_nonce);
	if
	:: !seen.kind && !text && key -> /* without loss of generality, this text of the two */
		seen.kind = its_kind;
		seen.key = key;
		seen.nonce = its_nonce;
		over = SIBLINGS
	:: true
	fi
}

/* For the model alone: the text of a message is chosen. */
inline decide_text() {
	if
	:: text = 0
	:: text = 1
	fi
}

#ifdef FIXED_TEXT
#define decide_early() decide_text()
#define decide_late() skip
#else
#define decide_early() skip
#define decide_late() decide_text()
#endif

/* module/noise/session.c fwg_session_is_current(): fwg_generation_is_current, fwg_generation_notice */
inline session_is_current(its_id, its_epoch) {
	AT_ONCE {
		generation_is_current(its_id, its_epoch);
		if
		:: !ok -> notice()
		:: else
		fi
	}
}

/*
 * module/noise/seal.c fwg_seal(): chacha20poly1305_encrypt_sg_inplace, fwg_generation_is_current,
 * sg_zero_buffer, fwg_generation_notice
 */
inline seal(its_key, its_id, its_epoch) {
#if BREAK == CHECK_BEFORE
	session_is_current(its_id, its_epoch);
#elif BREAK == NO_SEAL_CHECK
	ok = 1;
#endif
	atomic {
		key = its_key;
		decide_late()
	}
#if BREAK != CHECK_BEFORE && BREAK != NO_SEAL_CHECK
	session_is_current(its_id, its_epoch);
#endif
#if REACH
	reach(REFUSED, !ok && its_id != m.id)
#endif
}

/* module/noise/session.c fwg_session_create(): kzalloc, session->stamp, rhashtable_lookup_insert_fast */
inline session_create(its_kind) {
	s = 0;
	do
	:: s < SESSIONS && (m.session[s].live || m.session[s].held) -> s++
	:: else -> break
	od;
	if
	:: s < SESSIONS ->
		m.session[s].live = 1;
		m.session[s].kind = its_kind;
		m.session[s].id = id;
		m.session[s].epoch = epoch;
		m.session[s].key = key
	:: else -> ok = 0
	fi
}

/* For the model alone: noise_peer.lock. */
inline lock() {
	atomic { !m.locked -> m.locked = 1 }
}

/* For the model alone: nothing stale remains, unless a reset is to come. */
inline expect_clean() {
	stale_remains = (BREAK == NOTHING || BREAK == HALF_RESET || BREAK == LATE_WALK) &&
			m.noticed && !m.queued && !m.resetting && !clean();
	assert(!stale_remains)
}

/* For the model alone: releases noise_peer.lock. */
inline unlock() {
	d_step {
		m.locked = 0;
		expect_clean()
	}
}

/* For the model alone: an RCU grace period has passed. */
inline free(it) {
	m.session[it].kind = 0;
	m.session[it].id = 0;
	m.session[it].epoch = 0
}

/*
 * module/noise/session.c fwg_session_retire(): rhashtable_remove_fast, fwg_generation_revoke, send_key, nonce,
 * kfree_rcu
 * module/generation.h fwg_generation_revoke(): GENERATION_NEVER
 */
inline session_retire(it) {
	if
	:: it == NONE
	:: it != NONE && !m.session[it].held -> /* no CPU can see the steps */
		d_step {
			m.session[it].live = 0;
			m.session[it].key = 0;
			m.session[it].nonce = 0;
			free(it)
		}
	:: it != NONE && m.session[it].held ->
#if BREAK != UNREVOKED
		m.session[it].epoch = NEVER;
#endif
		m.session[it].key = 0;
		d_step {
			reach(PULLED, m.session[it].held);
			m.session[it].nonce = 0;
			m.session[it].live = 0;
			if
			:: !m.session[it].held -> free(it)
			:: else
			fi
		}
	fi
}

/* module/noise/session.c fwg_retire_pending(): fwg_session_retire, peer->handshake */
inline retire_pending() {
	m.pending = 0;
	m.hs_id = 0;
	m.hs_epoch = 0;
	m.hs_key = 0
}

/* For the model alone: the end of a job. */
inline done() {
	id = 0;
	epoch = 0;
	key = 0;
	nonce = 0;
	text = 0;
	ok = 0;
	s = NONE;
	old = NONE
}

/* For the model alone: RCU keeps what a CPU has found. */
inline hold(its) {
	s = m.slot[its];
	m.session[s].held++
}

/* For the model alone: ... and frees it, if it has ended meanwhile. */
inline put() {
	m.session[s].held--;
	if
	:: !m.session[s].held && !m.session[s].live -> free(s)
	:: else
	fi
}

#if REACH
/* For the model alone: data was sent. */
inline reach_anew() {
	if
	:: lives && fits(m.session[s].id, m.session[s].epoch) &&
	   (REACH != ANSWERED || m.session[s].kind == RESPONDER) &&
	   (REACH != WOKEN || m.woken) -> sent = sent | 1 << lives
	:: else
	fi;
	reach(REACH, REACH == DEEP && m.depth == 2 && (sent >> lives & 1) ||
	      (REACH == ANEW || REACH == ANSWERED || REACH == WOKEN) && sent == (1 << LIVES) - 2)
}
#else
#define reach_anew() skip
#endif

/*
 * module/send.c fwg_send_all_staged(): fwg_noise_session_current, fwg_seal_packet, fwg_transmit
 * module/noise/seal.c fwg_noise_seal(): fwg_noise_session_usable, atomic64_fetch_add_unless, fwg_seal
 */
inline send_all_staged() {
	AT_ONCE {
		atomic {
			(jobs & SENDS) && m.packets < PACKETS && m.slot[CURRENT] != NONE ->
			hold(CURRENT);
			m.packets++;
			decide_early()
		}
		generation_is_current(m.session[s].id, m.session[s].epoch);
		if
		:: !ok -> atomic { m.packets--; notice(); put(); done() }
		:: else
		fi
	}
	if
	:: ok ->
		d_step {
			nonce = m.session[s].nonce;
			m.session[s].nonce++
		}
		seal(m.session[s].key, m.session[s].id, m.session[s].epoch);
		atomic {
			if
			:: ok ->
				send(m.session[s].kind, nonce);
				reach_anew()
			:: else
			fi;
			put();
			done()
		}
	:: else
	fi
}

/*
 * module/noise/handshake.c fwg_noise_initiate(): fwg_generation_read, fwg_session_create, fwg_claim_time, fwg_draw_ephemeral,
 * fwg_write_initiation, peer->lock, fwg_still_valid, fwg_retire_pending, peer->pending, peer->handshake
 * module/noise/pattern.c fwg_draw_ephemeral(): fwg_generation_draw
 * module/noise/pattern.c fwg_write_initiation(): fwg_encrypt_and_hash, fwg_encrypt_and_hash
 * module/noise/pattern.c fwg_encrypt_and_hash(): fwg_seal
 * module/noise/handshake.c fwg_still_valid(): fwg_generation_is_current
 * module/send.c fwg_send_initiation(): fwg_noise_initiate, fwg_send_to_peer
 */
inline noise_initiate() {
	atomic {
		(jobs & INITIATES) && m.handshakes < HANDSHAKES ->
		m.handshakes++;
		decide_early()
	}
	generation_read();
	generation_draw();
#if BREAK == LATE_STAMP
	generation_read();
#endif
	seal(key, id, epoch);
	if
	:: ok ->
		AT_ONCE {
			lock();
			generation_is_current(id, epoch)
		}
		d_step {
			if
			:: ok ->
				m.pending = 1;
				m.hs_id = id;
				m.hs_epoch = epoch;
				m.hs_key = key
			:: else
			fi;
			unlock()
		}
	:: else
	fi;
	atomic {
		if
		:: ok -> send(INITIATION, 0)
		:: else
		fi;
		done()
	}
}

/*
 * module/noise/handshake.c fwg_noise_respond(): fwg_generation_read, fwg_session_create, fwg_draw_ephemeral,
 * fwg_write_response, peer->lock, fwg_still_valid, fwg_establish, fwg_generation_notice
 * module/noise/pattern.c fwg_write_response(): fwg_encrypt_and_hash
 * module/noise/session.c fwg_establish(): initiator, SLOT_NEXT, fwg_session_retire
 * module/answer.c fwg_answer_initiation(): fwg_noise_respond, fwg_send_response
 */
inline noise_respond() {
	atomic {
		(jobs & RESPONDS) && m.handshakes < HANDSHAKES ->
		m.handshakes++;
		decide_early()
	}
	generation_read();
	generation_draw();
#if BREAK == LATE_STAMP
	generation_read();
#endif
	seal(key, id, epoch);
	if
	:: ok ->
		AT_ONCE {
			lock();
			session_is_current(id, epoch)
		}
		d_step {
			if
			:: ok -> session_create(RESPONDER)
			:: else
			fi;
			if
			:: ok -> old = m.slot[NEXT]; m.slot[NEXT] = s
			:: else
			fi
		}
		session_retire(old);
		unlock()
	:: else
	fi;
	atomic {
		if
		:: ok -> send(RESPONSE, 0)
		:: else
		fi;
		done()
	}
}

/*
 * module/noise/handshake.c fwg_noise_finish(): peer->lock, peer->handshake, fwg_still_valid, fwg_read_response,
 * peer->lock, fwg_still_valid, ephemeral_private, peer->pending, fwg_establish, fwg_generation_notice
 * module/noise/session.c fwg_establish(): yields, SLOT_OLD, SLOT_PREVIOUS, SLOT_NEXT, SLOT_CURRENT,
 * fwg_session_retire, fwg_session_retire
 * module/answer.c fwg_take_response(): fwg_noise_finish
 */
inline noise_finish() {
	atomic {
		(jobs & INITIATES) && m.pending && !m.locked ->
		id = m.hs_id;
		epoch = m.hs_epoch;
		key = m.hs_key;
		session_is_current(id, epoch)
	}
#if BREAK == STALE_FINISH
	generation_read();
	ok = 1;
#endif
	if
	:: ok ->
		AT_ONCE {
			lock();
#if BREAK != STALE_FINISH
			session_is_current(id, epoch)
#endif
		}
		d_step {
			ok = ok && m.pending && m.hs_key == key;
			if
			:: ok -> retire_pending(); session_create(INITIATOR)
			:: else
			fi
		}
		if
		:: ok ->
			if /* whose index is smaller? */
			:: m.slot[NEXT] != NONE -> m.yields = 1
			:: m.yields = 0
			fi;
			d_step {
				old = s;
				s = m.slot[OLD];
				m.slot[OLD] = (m.slot[NEXT] != NONE -> m.slot[CURRENT] : NONE);
				if
				:: m.slot[NEXT] == NONE -> m.slot[NEXT] = m.slot[CURRENT]
				:: else
				fi;
				m.slot[CURRENT] = old;
				old = m.slot[PREVIOUS];
				m.slot[PREVIOUS] = m.slot[NEXT];
				m.slot[NEXT] = NONE
			}
			session_retire(s);
			session_retire(old)
		:: else
		fi;
		unlock()
	:: else
	fi;
	atomic { done() }
}

/*
 * module/receive.c fwg_receive_data(): fwg_noise_session_find, fwg_open_message, fwg_noise_session_confirm
 * module/noise/session.c fwg_noise_open(): chacha20poly1305_decrypt_sg_inplace, fwg_replay_accept,
 * fwg_session_is_current
 * module/noise/session.c fwg_noise_session_confirm(): SLOT_CURRENT, peer->lock, SLOT_NEXT, SLOT_OLD,
 * fwg_session_retire, SLOT_PREVIOUS, fwg_make_current, SLOT_NEXT, SLOT_OLD, yields, yields, SLOT_PREVIOUS, fwg_make_current
 * module/noise/session.c fwg_make_current(): SLOT_PREVIOUS, SLOT_CURRENT, SLOT_CURRENT
 */
inline noise_session_confirm() {
	atomic {
		if
		:: (jobs & RESPONDS) && m.slot[NEXT] != NONE -> hold(NEXT)
		:: (jobs & RESPONDS) && m.yields && m.slot[PREVIOUS] != NONE -> hold(PREVIOUS)
		fi;
		session_is_current(m.session[s].id, m.session[s].epoch)
	}
	if
	:: ok ->
		AT_ONCE {
			lock();
			ok = m.slot[NEXT] == s
		}
		if
		:: ok ->
			session_retire(m.slot[OLD]);
			session_retire(m.slot[PREVIOUS]);
			d_step {
				m.slot[PREVIOUS] = m.slot[CURRENT];
				m.slot[CURRENT] = s;
				m.slot[NEXT] = NONE;
				m.slot[OLD] = NONE;
				m.yields = 0
			}
		:: !ok && m.yields && m.slot[PREVIOUS] == s -> d_step {
			m.slot[PREVIOUS] = m.slot[CURRENT];
			m.slot[CURRENT] = s;
			reach(YIELDED, 1)
		}
		:: else
		fi;
		unlock()
	:: else
	fi;
	atomic {
		put();
		done()
	}
}

/* For the model alone: the work of a CPU, repeated. */
proctype cpu(byte jobs) provided (!over)
{
	byte s = NONE, old = NONE;
	byte id, epoch, nonce;
	short key;
	bit ok, text;

end:	do
	:: send_all_staged()
	:: noise_initiate()
	:: noise_respond()
	:: noise_finish()
	:: noise_session_confirm()
	od
}

/* For the model alone: only stale secrets are wiped, unless all are to be wiped. */
inline spare(its_id, its_epoch) {
	new_was_wiped = !all && fits(its_id, its_epoch);
	assert(!new_was_wiped)
}

/*
 * module/noise/identity.c fwg_noise_peer_reset(): peer->lock, fwg_generation_is_current, fwg_retire_pending, fwg_in_slot,
 * fwg_generation_is_current, slots, fwg_session_retire
 * module/noise/identity.c fwg_noise_peer_clear(): peer->lock, fwg_retire_pending, fwg_in_slot, slots, fwg_session_retire
 * module/reset.c fwg_reset_peers(): fwg_peer_reset
 * module/peer.c fwg_peer_reset(): fwg_noise_peer_reset
 */
inline noise_peer_reset() {
	AT_ONCE {
		lock();
		if
		:: m.pending ->
			generation_is_current(m.hs_id, m.hs_epoch);
			if
			:: !ok || all || BREAK == LATE_RESET -> d_step { spare(m.hs_id, m.hs_epoch); retire_pending() }
			:: else
			fi
		:: else
		fi
	}
	do
	:: AT_ONCE {
		ok = 1;
		do
		:: i < SLOTS - 2 * (BREAK == HALF_RESET) && ok ->
			s = m.slot[i];
			if
			:: s != NONE ->
				generation_is_current(m.session[s].id, m.session[s].epoch);
				ok = ok && !all && BREAK != LATE_RESET;
				if
				:: !ok -> d_step {
					spare(m.session[s].id, m.session[s].epoch);
					m.slot[i] = NONE }
				:: else
				fi
			:: else
			fi;
			i++
		:: else -> break
		od;
		}
		if
		:: ok -> break
		:: else -> session_retire(s)
		fi
	od;
	atomic {
		i = 0;
		s = NONE;
		all = 0;
		m.resetting = 0;
		m.asleep = m.frozen;
		unlock()
	}
}

/* module/generation.c fwg_generation_advance(): epoch */
inline advance() {
	m.epoch++
}

/*
 * module/generation.c fwg_reset_work_fn(): reset_callback
 * module/device.c fwg_device_reset(): fwg_reset_queue, fwg_reset_wait
 * module/reset.c fwg_reset_stale(): reset_mutex, fwg_generation_is_current, reset_stamp,
 * fwg_generation_read, fwg_reset_peers, fwg_generation_is_current, reset_stamp, reset_mutex
 * module/generation.c fwg_on_pm(): PM_SUSPEND_PREPARE, generation_frozen, true,
 * fwg_generation_advance, reset_callback, PM_POST_SUSPEND, generation_frozen, false,
 * fwg_generation_advance, reset_callback
 */
proctype worker() provided (!over)
{
	byte s = NONE, i;
	bit ok, all;
#ifdef STAMPED
	byte id, epoch;
#endif

end:	do
	:: atomic { m.clears < CLEARS -> m.clears++; all = 1 }
	   noise_peer_reset()
	:: if
	   :: atomic { m.queued -> m.queued = 0; m.resetting = 1 }
	   :: atomic { m.sleeps < SLEEPS && !m.frozen -> m.sleeps++; m.frozen = 1; m.resetting = 1 }
	      advance()
	   :: atomic { m.frozen -> m.asleep = 0; m.frozen = 0; m.resetting = 1 }
	      advance()
	   fi;
#ifdef STAMPED
	   generation_is_current(m.walk_id, m.walk_epoch);
	   if
	   :: ok -> d_step { ok = 0; m.resetting = 0; expect_clean() }
	   :: else ->
#if BREAK != LATE_WALK
		generation_read();
#endif
		noise_peer_reset();
#if BREAK == LATE_WALK
		generation_read();
#endif
		generation_is_current(id, epoch);
		d_step {
			m.walk_id = id;
			m.walk_epoch = (ok -> epoch : NEVER);
			id = 0;
			epoch = 0;
			ok = 0
		}
	   fi
#else
	   noise_peer_reset()
#endif
	od
}

/*
 * module/generation.c fwg_on_vmfork(): fwg_notice; before, the kernel's driver has reseeded the RNG
 * module/reset.c fwg_reset_force_device(): fwg_generation_advance, fwg_reset_stale
 * module/reset.c fwg_reset_force_peer(): fwg_generation_advance, fwg_peer_reset; what follows the
 * first step is done by the worker above, at any time
 */
proctype notifier() provided (!over)
{
end:	do
	:: atomic { m.acpi -> m.acpi = 0; m.seed = m.id; m.drawn = 0 }
	   notice()
	:: atomic { m.forced < FORCED -> m.forced++; advance(); m.queued = 1 }
	od
}

/* For the model alone: a machine that slept has the old ID, another time, and so other draws. */
inline wake() {
#if BREAK != WAKES_ALIKE
	m.seed = 4 + lives;
#endif
#if REACH
	m.woken = 1;
#endif
	printf("life %d: image %d is woken\n", lives, k)
}

/* For the model alone: A1 and A2 of the design. */
inline new_id() {
#ifdef SPLIT
	if
	:: !(used & 2) -> m.id = 1
	:: !(used & 4) -> m.id = 2
	:: !(used & 8) -> m.id = 3
	fi;
	used = used | 1 << m.id;
#else
	m.id = lives;
#endif
	m.acpi = 1;
	m.noticed = 0;
#if REACH
	m.depth++;
#endif
	printf("life %d: image %d is restored with ID %d\n", lives, k, m.id)
}

/* For the model alone: time goes on, or an image takes the machine's place. */
init
{
	byte k;

	atomic {
		m.noticed = 1;
		m.slot[CURRENT] = 0;
		m.slot[PREVIOUS] = NONE;
		m.slot[NEXT] = NONE;
		m.slot[OLD] = NONE;
		m.session[0].live = 1;
		m.session[0].kind = INITIATOR;
		m.session[0].key = 9999;
		last = LIVES == 1;
		run cpu(JOBS0);
		run cpu(JOBS1);
		run worker();
		run notifier()
	}
end:	do
	:: atomic {
		images < IMAGES && !last && !over ->
		printf("image %d is taken\n", images);
		c_code {
			if (vsize - proc_offset[1] > FRAMES)
				Uerror("FRAMES is too small");
			now.image[now.images] = now.m;
			memcpy(now.frames + now.images * FRAMES, pptr(1), vsize - proc_offset[1]);
		}
		images++;
		fresh = 1
	   }
	:: atomic {
		images && !last && !gone &&
		(!SIBLINGS || over || fresh && (seen.kind || lives < LIVES - 2)) ->
		do
		:: k < images - 1 -> k++
		:: break
		od;
		c_code {
			now.m = now.image[Pinit->k];
			memcpy(pptr(1), now.frames + Pinit->k * FRAMES, vsize - proc_offset[1]);
		}
		lives++;
		last = lives == LIVES - 1;
		over = 0;
		fresh = 0;
		m.packets = 0;
		m.handshakes = 0;
		if
		:: m.asleep -> wake()
		:: true -> new_id()
		fi;
		if
		:: last || SIBLINGS && seen.kind && images == IMAGES ->
			c_code {
				memset(now.image, 0, sizeof(now.image));
				memset(now.frames, 0, sizeof(now.frames));
			}
			gone = 1
		:: else
		fi;
		k = 0
	   }
	od
}
