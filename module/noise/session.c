// SPDX-License-Identifier: GPL-2.0
/* session: see session.h. */

#include "session.h"
#include "symmetric.h"

#include <linux/scatterlist.h>
#include <linux/slab.h>

/* Each initiation has one genuine response; anybody on the path may forge more. */
#define EXPECTED_RESPONSES 4

static const struct rhashtable_params session_params = {
	.key_len = sizeof(__le32),
	.key_offset = offsetof(struct noise_session, index),
	.head_offset = offsetof(struct noise_session, node),
	.automatic_shrinking = true,
};

/* Create the index table of a device. */
int __must_check fwg_sessions_init(struct noise_local *local)
{
	return rhashtable_init(&local->sessions, &session_params);
}

/* Find a session by index, pending or established. Called under RCU. */
struct noise_session *fwg_session_lookup(struct noise_local *local, __le32 index)
{
	return rhashtable_lookup(&local->sessions, &index, session_params);
}

struct noise_session *fwg_session_create(struct noise_peer *peer,
					 const struct generation_stamp *stamp)
{
	struct noise_session *session = kzalloc(sizeof(*session), GFP_KERNEL);
	int err;

	if (!session)
		return NULL;
	session->peer = peer;
	session->stamp = *stamp;
	fwg_replay_init(&session->replay);
	atomic_set(&session->responses, EXPECTED_RESPONSES);
	do {
		fwg_generation_draw(stamp, &session->index, sizeof(session->index));
		err = rhashtable_lookup_insert_fast(&peer->local->sessions, &session->node,
						    session_params);
	} while (err == -EEXIST);
	if (err) {
		kfree(session);
		return NULL;
	}
	return session;
}

/*
 * Wipe a session at once, even while it is in use. A CPU that sees a wiped key or
 * counter also sees the stamp revoked.
 */
void fwg_session_retire(struct noise_session *session)
{
	if (!session)
		return;
	rhashtable_remove_fast(&session->peer->local->sessions, &session->node, session_params);
	fwg_generation_revoke(&session->stamp);
	memzero_explicit(session->send_key, sizeof(session->send_key));
	memzero_explicit(session->receive_key, sizeof(session->receive_key));
	atomic64_set(&session->nonce, 0);
	spin_lock_bh(&session->replay.lock);
	session->replay.next = 0;
	memset(session->replay.seen, 0, sizeof(session->replay.seen));
	spin_unlock_bh(&session->replay.lock);
	kfree_rcu(session, rcu);
}

struct noise_session *fwg_in_slot(struct noise_peer *peer, enum slot slot)
{
	return rcu_dereference_protected(peer->slots[slot], lockdep_is_held(&peer->lock));
}

void fwg_retire_pending(struct noise_peer *peer)
{
	lockdep_assert_held(&peer->lock);

	fwg_session_retire(peer->pending);
	peer->pending = NULL;
	memzero_explicit(&peer->handshake, sizeof(peer->handshake));
}

/*
 * Give a session its keys and its slot (WireGuard whitepaper, section 6.2).
 *
 * The whitepaper has one handshake at a time. But both ends may begin one at the
 * same time, and both may finish: two handshakes cross and leave two new sessions.
 * Each end then sends in the session that it initiated. Two things follow.
 *
 *  - Earlier data of the peer is still in flight in the session that was current.
 *    That session moves to SLOT_OLD, and is kept as long as a previous one.
 *
 *  - The ends must settle on one session. Otherwise both would be initiators, and
 *    would cross again at each rekeying. The session whose initiator chose the
 *    smaller index wins; both ends know both indices. The initiator of the other
 *    session yields: it sends in the session in which the peer sends, which is the
 *    winner. See fwg_noise_session_confirm().
 *
 * Stock WireGuard abandons its own handshake when it answers one, and so never uses
 * the session that it initiated. Then neither end yields.
 */
void fwg_establish(struct noise_peer *peer, struct noise_session *session,
		   const struct noise_keys *keys, __le32 remote_index, bool initiator)
{
	struct noise_session *used = fwg_in_slot(peer, SLOT_CURRENT);
	struct noise_session *previous = fwg_in_slot(peer, SLOT_PREVIOUS);
	struct noise_session *next = fwg_in_slot(peer, SLOT_NEXT);
	struct noise_session *old = fwg_in_slot(peer, SLOT_OLD);
	struct noise_session *latest = next ?: used;

	session->remote_index = remote_index;
	session->initiator = initiator;
	session->birth = ktime_get_coarse_boottime_ns();
	memcpy(session->send_key, initiator ? keys->initiator : keys->responder,
	       NOISE_SYMMETRIC_KEY_LEN);
	memcpy(session->receive_key, initiator ? keys->responder : keys->initiator,
	       NOISE_SYMMETRIC_KEY_LEN);
	/* Pairs with fwg_noise_session_find(). */
	smp_store_release(&session->established, true);

	if (!initiator) {
		/* Not used to send before the initiator has used it. */
		rcu_assign_pointer(peer->slots[SLOT_NEXT], session);
		if (peer->pending)
			peer->pending->crossed = true;
		fwg_session_retire(next);
		return;
	}
	/* Data of the peer's session may have come before the response to ours. */
	peer->yields = session->crossed && latest && !latest->initiator &&
		       le32_to_cpu(latest->remote_index) < le32_to_cpu(session->index);
	rcu_assign_pointer(peer->slots[SLOT_OLD], next ? used : NULL);
	rcu_assign_pointer(peer->slots[SLOT_PREVIOUS], latest);
	rcu_assign_pointer(peer->slots[SLOT_NEXT], NULL);
	rcu_assign_pointer(peer->slots[SLOT_CURRENT], session);
	fwg_session_retire(old);
	fwg_session_retire(previous);
}

/**
 * fwg_noise_response_expected() - does a response answer an initiation of ours?
 * @local: the device that it was sent to
 * @in: the response
 *
 * For a device under load: such a response is worth a Diffie-Hellman even without a
 * cookie, because only hosts that saw the initiation know its index. They may forge
 * responses, so this returns true only a few times for each initiation.
 *
 * Context: any but hard interrupts.
 */
bool fwg_noise_response_expected(struct noise_local *local, const struct message_response *in)
{
	struct noise_session *session;
	bool expected;

	rcu_read_lock();
	session = fwg_session_lookup(local, in->receiver_index);
	expected = session && !READ_ONCE(session->established) &&
		   atomic_dec_if_positive(&session->responses) >= 0;
	rcu_read_unlock();
	return expected;
}

/**
 * fwg_noise_session_current() - the session to send with
 * @peer: the peer
 *
 * Context: RCU read-side critical section.
 * Return: the session, which need not be usable, or NULL.
 */
struct noise_session *fwg_noise_session_current(struct noise_peer *peer)
{
	return rcu_dereference(peer->slots[SLOT_CURRENT]);
}

/**
 * fwg_noise_session_find() - find the session of a data message
 * @local: the device that it was sent to
 * @index: its receiver index
 *
 * Context: RCU read-side critical section.
 * Return: the established session, or NULL.
 */
struct noise_session *fwg_noise_session_find(struct noise_local *local, __le32 index)
{
	struct noise_session *session = fwg_session_lookup(local, index);

	/* Pairs with fwg_establish(). */
	return session && smp_load_acquire(&session->established) ? session : NULL;
}

/**
 * fwg_noise_session_owner() - the owner of a session's peer
 * @session: the session
 *
 * Context: RCU read-side critical section.
 */
struct fwg_peer *fwg_noise_session_owner(const struct noise_session *session)
{
	return session->peer->owner;
}

bool fwg_older_than(const struct noise_session *session, u64 seconds)
{
	return ktime_get_coarse_boottime_ns() - session->birth >= seconds * NSEC_PER_SEC;
}

static bool fwg_session_is_current(const struct noise_session *session)
{
	if (likely(fwg_generation_is_current(&session->peer->scope, &session->stamp)))
		return true;
	fwg_generation_notice();
	return false;
}

/**
 * fwg_noise_session_usable() - can a session be used to send?
 * @session: the session
 *
 * A cheap check before encryption, so that the plaintext is kept (R4). The check
 * that counts is the one after encryption, in fwg_seal().
 *
 * Context: any.
 */
bool fwg_noise_session_usable(const struct noise_session *session)
{
	return fwg_session_is_current(session) && !fwg_older_than(session, REJECT_AFTER_TIME) &&
	       (u64)atomic64_read(&session->nonce) < REJECT_AFTER_MESSAGES;
}

/**
 * fwg_noise_peer_has_session() - is there a session to send with?
 * @peer: the peer
 *
 * Context: any.
 */
bool fwg_noise_peer_has_session(struct noise_peer *peer)
{
	struct noise_session *session;
	bool usable;

	rcu_read_lock();
	session = fwg_noise_session_current(peer);
	usable = session && fwg_noise_session_usable(session);
	rcu_read_unlock();
	return usable;
}

/**
 * fwg_noise_peer_has_begun() - is there a pending handshake, or a session to send with?
 * @peer: the peer
 *
 * Context: any but hard interrupts.
 * Return: false if there is neither in the running generation.
 */
bool fwg_noise_peer_has_begun(struct noise_peer *peer)
{
	bool pending;

	spin_lock_bh(&peer->lock);
	pending = peer->pending && fwg_generation_is_current(&peer->scope, &peer->handshake.stamp);
	spin_unlock_bh(&peer->lock);
	return pending || fwg_noise_peer_has_session(peer);
}

/**
 * fwg_noise_session_old_to_send() - does sending call for a new handshake?
 * @session: the session
 */
bool fwg_noise_session_old_to_send(const struct noise_session *session)
{
	return (u64)atomic64_read(&session->nonce) >= REKEY_AFTER_MESSAGES ||
	       (session->initiator && fwg_older_than(session, REKEY_AFTER_TIME));
}

/**
 * fwg_noise_session_old_to_receive() - does receiving call for a new handshake?
 * @session: the session
 *
 * Context: RCU read-side critical section.
 */
bool fwg_noise_session_old_to_receive(const struct noise_session *session)
{
	return session->initiator &&
	       rcu_access_pointer(session->peer->slots[SLOT_CURRENT]) == session &&
	       fwg_older_than(session, REJECT_AFTER_TIME - KEEPALIVE_TIMEOUT - REKEY_TIMEOUT);
}

/**
 * fwg_noise_open() - authenticate and decrypt a data message
 * @session: the session that fwg_noise_session_find() found for it
 * @sg: the ciphertext with its tag, decrypted in place
 * @len: length of the ciphertext with its tag
 * @header: the header of the message
 *
 * Context: RCU read-side critical section, BHs disabled.
 * Return: 0; -ESTALE if the session is stale, too old, or used up; -EBADMSG if the
 * message is not authentic; -EALREADY for a replay.
 */
int fwg_noise_open(struct noise_session *session, struct scatterlist *sg, size_t len,
		   const struct message_data *header)
{
	u64 counter = le64_to_cpu(header->counter);
	bool opened;

	if (unlikely(!fwg_session_is_current(session) ||
		     fwg_older_than(session, REJECT_AFTER_TIME) ||
		     counter >= REJECT_AFTER_MESSAGES))
		return -ESTALE;
	opened = chacha20poly1305_decrypt_sg_inplace(sg, len, NULL, 0, counter,
						     session->receive_key);
	fwg_wipe_stack(DATA_STACK_KIB);
	if (unlikely(!opened))
		return -EBADMSG;
	if (unlikely(!fwg_replay_accept(&session->replay, counter)))
		return -EALREADY;
	/* R5: the key or the replay window may have been wiped meanwhile. */
	return likely(fwg_session_is_current(session)) ? 0 : -ESTALE;
}

/* Make a session the current one, and the current one the previous one. */
static void fwg_make_current(struct noise_peer *peer, struct noise_session *session)
{
	rcu_assign_pointer(peer->slots[SLOT_PREVIOUS], fwg_in_slot(peer, SLOT_CURRENT));
	rcu_assign_pointer(peer->slots[SLOT_CURRENT], session);
}

/**
 * fwg_noise_session_confirm() - an authentic message arrived in a session
 * @session: the session
 *
 * It shows that the peer has the keys, so the responder may now send with them. After
 * a crossing, the end that yields changes to the session that the peer uses.
 *
 * Context: RCU read-side critical section, BHs disabled.
 * Return: true if the session could not be used to send before.
 */
bool fwg_noise_session_confirm(struct noise_session *session)
{
	struct noise_peer *peer = session->peer;
	bool confirmed;

	if (likely(rcu_access_pointer(peer->slots[SLOT_CURRENT]) == session))
		return false;

	spin_lock_bh(&peer->lock);
	confirmed = fwg_in_slot(peer, SLOT_NEXT) == session;
	if (confirmed) {
		fwg_session_retire(fwg_in_slot(peer, SLOT_OLD));
		fwg_session_retire(fwg_in_slot(peer, SLOT_PREVIOUS));
		fwg_make_current(peer, session);
		rcu_assign_pointer(peer->slots[SLOT_NEXT], NULL);
		rcu_assign_pointer(peer->slots[SLOT_OLD], NULL);
		peer->yields = false;
	} else if (peer->yields && fwg_in_slot(peer, SLOT_PREVIOUS) == session) {
		fwg_make_current(peer, session);
	}
	spin_unlock_bh(&peer->lock);
	return confirmed;
}
