// SPDX-License-Identifier: GPL-2.0
/* handshake: the three steps of a handshake: initiate, respond, finish. */

#include "clock.h"
#include "identity.h"
#include "pattern.h"
#include "session.h"
#include "symmetric.h"

#include <crypto/algapi.h>
#include <linux/log2.h>
#include <linux/random.h>

static const u8 prologue[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

/* TAI64N: 8 bytes of seconds and 4 of nanoseconds, big endian. */
static void fwg_encode_timestamp(u8 out[NOISE_TIMESTAMP_LEN], const struct timespec64 *time)
{
	__be64 sec = cpu_to_be64(0x400000000000000aULL + time->tv_sec);
	__be32 nsec = cpu_to_be32(time->tv_nsec);

	memcpy(out, &sec, sizeof(sec));
	memcpy(out + sizeof(sec), &nsec, sizeof(nsec));
}

/*
 * The timestamp of an initiation. It is coarse, so that it does not reveal how long
 * this machine takes to compute something, and always later than the last one.
 */
static void fwg_claim_time(struct noise_peer *peer, struct timespec64 now,
			   u8 timestamp[NOISE_TIMESTAMP_LEN])
{
	lockdep_assert_held(&peer->lock);

	now.tv_nsec = ALIGN_DOWN(now.tv_nsec,
				 rounddown_pow_of_two(NSEC_PER_SEC / INITIATIONS_PER_SECOND));
	if (timespec64_compare(&now, &peer->last_claimed) <= 0) {
		now = peer->last_claimed;
		timespec64_add_ns(&now, 1);
	}
	peer->last_claimed = now;
	fwg_encode_timestamp(timestamp, &now);
}

/* May the result of a handshake still be used? */
static int __must_check fwg_still_valid(struct noise_peer *peer, const struct noise_handshake *hs)
{
	lockdep_assert_held(&peer->lock);

	if (peer->removed)
		return -ENOKEY;
	if (READ_ONCE(peer->local->identity) != hs->identity)
		return -ESTALE;
	return fwg_generation_is_current(&peer->scope, &hs->stamp) ? 0 : -ESTALE;
}

/**
 * fwg_noise_initiate() - begin a handshake
 * @peer: the responder; a pending handshake with it is abandoned
 * @msg: the message to send, without type and MACs; not on a stack
 *
 * Context: process.
 * Return: 0; -ESTALE if the machine is about to sleep, was forked meanwhile, or the
 * private key was replaced meanwhile; -ENOKEY without a private key, or if the peer
 * was removed; -EKEYREJECTED for a public key of low order; -ENOMEM; -ERESTARTSYS if
 * interrupted.
 */
int fwg_noise_initiate(struct noise_peer *peer, struct message_initiation *msg)
{
	u8 private_key[NOISE_PUBLIC_KEY_LEN], public_key[NOISE_PUBLIC_KEY_LEN];
	u8 shared[NOISE_PUBLIC_KEY_LEN], timestamp[NOISE_TIMESTAMP_LEN];
	struct noise_session *session = NULL;
	struct noise_handshake hs;
	struct timespec64 now;
	int err;

	/* Early in boot the RNG may not be seeded yet. */
	err = wait_for_random_bytes();
	if (err)
		return err;
	/* R1: before the first random byte. */
	hs.stamp = fwg_generation_read(&peer->scope);
	/* While the machine goes to sleep no stamp is current, and nothing can be sent. */
	err = -ESTALE;
	if (!fwg_generation_is_current(&peer->scope, &hs.stamp))
		goto out;

	err = fwg_copy_identity(peer->local, &hs, private_key, public_key);
	if (err)
		goto out;
	err = -ENOMEM;
	session = fwg_session_create(peer, &hs.stamp);
	if (!session)
		goto out;

	now = fwg_clock_now();
	spin_lock_bh(&peer->lock);
	fwg_claim_time(peer, now, timestamp);
	spin_unlock_bh(&peer->lock);

	fwg_handshake_begin(&hs, prologue, sizeof(prologue) - 1, peer->public_key);
	err = fwg_draw_ephemeral(&hs, msg->ephemeral);
	if (err)
		goto out;
	err = fwg_static_static(peer, &hs, private_key, shared);
	if (err)
		goto out;
	err = fwg_write_initiation(&hs, &peer->scope, public_key, peer->public_key, shared,
				   msg->ephemeral, msg->encrypted_static, msg->encrypted_timestamp,
				   timestamp, sizeof(timestamp));
	if (err)
		goto out;
	msg->sender_index = session->index;

	spin_lock_bh(&peer->lock);
	err = fwg_still_valid(peer, &hs);
	if (!err) {
		fwg_retire_pending(peer);
		peer->pending = session;
		peer->handshake = hs;
		session = NULL;
	}
	spin_unlock_bh(&peer->lock);
out:
	if (err)
		memzero_explicit(msg, sizeof(*msg));
	if (err == -ESTALE)
		fwg_generation_notice();
	fwg_session_retire(session);
	memzero_explicit(&hs, sizeof(hs));
	memzero_explicit(shared, sizeof(shared));
	memzero_explicit(private_key, sizeof(private_key));
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
	return err;
}

/**
 * fwg_noise_respond() - answer the initiation of a handshake
 * @local: the device that it was sent to
 * @in: the initiation
 * @out: the response to send, without type and MACs; not on a stack
 * @owner: the initiator; the caller gets a reference if 0 is returned
 *
 * Context: process.
 * Return: 0; -ESTALE if the machine is about to sleep, was forked meanwhile, or the
 * private key was replaced meanwhile; -ENOKEY without a private key, or if the
 * initiator is unknown; -EBADMSG if the message is not authentic; -EKEYREJECTED for a
 * public key of low order; -EALREADY for a replay; -EBUSY if the initiator sends too
 * many; -ENOMEM; -ERESTARTSYS if interrupted.
 */
int fwg_noise_respond(struct noise_local *local, const struct message_initiation *in,
		      struct message_response *out, struct fwg_peer **owner)
{
	u8 private_key[NOISE_PUBLIC_KEY_LEN], public_key[NOISE_PUBLIC_KEY_LEN];
	u8 initiator[NOISE_PUBLIC_KEY_LEN], psk[NOISE_SYMMETRIC_KEY_LEN];
	const u64 interval = NSEC_PER_SEC / INITIATIONS_PER_SECOND;
	u8 shared[NOISE_PUBLIC_KEY_LEN], timestamp[NOISE_TIMESTAMP_LEN];
	struct noise_session *session = NULL;
	struct generation_stamp begun;
	struct noise_peer *peer = NULL;
	struct noise_handshake hs;
	struct noise_keys keys;
	u64 now;
	int err;

	/* Early in boot the RNG may not be seeded yet. */
	err = wait_for_random_bytes();
	if (err)
		return err;
	begun = fwg_generation_read(&local->scope);
	err = -ESTALE;
	if (!fwg_generation_is_current(&local->scope, &begun))
		goto out;

	err = fwg_copy_identity(local, &hs, private_key, public_key);
	if (err)
		goto out;
	fwg_handshake_begin(&hs, prologue, sizeof(prologue) - 1, public_key);
	fwg_mix_ephemeral(&hs, in->ephemeral);
	err = fwg_mix_dh(&hs, private_key, in->ephemeral);
	if (err)
		goto out;
	err = fwg_decrypt_and_hash(&hs, initiator, in->encrypted_static,
				   sizeof(in->encrypted_static));
	if (err)
		goto out;

	err = -ENOKEY;
	peer = fwg_identity_hold(local, initiator);
	if (!peer)
		goto out;

	err = fwg_static_static(peer, &hs, private_key, shared);
	if (err)
		goto out;
	fwg_mix_shared(&hs, shared);
	err = fwg_decrypt_and_hash(&hs, timestamp, in->encrypted_timestamp,
				   sizeof(in->encrypted_timestamp));
	if (err)
		goto out;

	/* R1: before the first random byte. R5: in the generation in which this began. */
	hs.stamp = fwg_generation_read(&peer->scope);
	err = -ESTALE;
	if (!fwg_generation_is_current(&local->scope, &begun))
		goto out;

	now = ktime_get_coarse_boottime_ns();
	spin_lock_bh(&peer->lock);
	if (memcmp(timestamp, peer->last_timestamp, sizeof(timestamp)) <= 0)
		err = -EALREADY;
	else if (peer->last_initiation && now < peer->last_initiation + interval)
		err = -EBUSY;
	else
		err = 0;
	memcpy(psk, peer->psk, sizeof(psk));
	spin_unlock_bh(&peer->lock);
	if (err)
		goto out;

	err = -ENOMEM;
	session = fwg_session_create(peer, &hs.stamp);
	if (!session)
		goto out;
	err = fwg_draw_ephemeral(&hs, out->ephemeral);
	if (err)
		goto out;
	err = fwg_write_response(&hs, &peer->scope, initiator, in->ephemeral, psk, out->ephemeral,
				 out->encrypted_nothing, NULL, 0);
	if (err)
		goto out;
	out->sender_index = session->index;
	out->receiver_index = in->sender_index;
	fwg_split(&keys, &hs);

	spin_lock_bh(&peer->lock);
	err = fwg_still_valid(peer, &hs);
	if (!err && memcmp(timestamp, peer->last_timestamp, sizeof(timestamp)) <= 0)
		err = -EALREADY;
	if (!err) {
		memcpy(peer->last_timestamp, timestamp, sizeof(timestamp));
		peer->last_initiation = now;
		fwg_establish(peer, session, &keys, in->sender_index, false);
		session = NULL;
		*owner = peer->owner;
	}
	spin_unlock_bh(&peer->lock);
out:
	if (err)
		memzero_explicit(out, sizeof(*out));
	if (err == -ESTALE)
		fwg_generation_notice();
	fwg_session_retire(session);
	if (err && peer)
		local->ops->release(peer->owner);
	memzero_explicit(&hs, sizeof(hs));
	memzero_explicit(&keys, sizeof(keys));
	memzero_explicit(psk, sizeof(psk));
	memzero_explicit(shared, sizeof(shared));
	memzero_explicit(private_key, sizeof(private_key));
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
	return err;
}

/**
 * fwg_noise_finish() - finish a handshake with the response to our initiation
 * @local: the device that it was sent to
 * @in: the response
 * @owner: the responder; the caller gets a reference if 0 is returned
 *
 * Context: process.
 * Return: 0 if there is now a session to send with; -ENOENT if @in answers no pending
 * handshake; otherwise as fwg_noise_respond().
 */
int fwg_noise_finish(struct noise_local *local, const struct message_response *in,
		     struct fwg_peer **owner)
{
	u8 private_key[NOISE_PUBLIC_KEY_LEN], public_key[NOISE_PUBLIC_KEY_LEN];
	u8 psk[NOISE_SYMMETRIC_KEY_LEN];
	struct noise_session *session;
	struct noise_handshake hs;
	struct noise_peer *peer = NULL;
	struct noise_keys keys;
	u32 identity;
	int err;

	rcu_read_lock();
	session = fwg_session_lookup(local, in->receiver_index);
	if (session && local->ops->hold(session->peer->owner))
		peer = session->peer;
	rcu_read_unlock();
	err = -ENOENT;
	if (!peer)
		goto out;

	spin_lock_bh(&peer->lock);
	if (peer->pending && peer->pending->index == in->receiver_index) {
		hs = peer->handshake;
		memcpy(psk, peer->psk, sizeof(psk));
		err = fwg_still_valid(peer, &hs);
	}
	spin_unlock_bh(&peer->lock);
	if (err)
		goto out;

	identity = hs.identity;
	err = fwg_copy_identity(local, &hs, private_key, public_key);
	if (err)
		goto out;
	hs.identity = identity;
	err = fwg_read_response(&hs, private_key, psk, in->ephemeral, NULL, in->encrypted_nothing,
				sizeof(in->encrypted_nothing));
	if (err)
		goto out;
	fwg_split(&keys, &hs);

	spin_lock_bh(&peer->lock);
	err = fwg_still_valid(peer, &hs);
	/* A newer initiation may have replaced this one. */
	if (!err && (!peer->pending || crypto_memneq(peer->handshake.ephemeral_private,
						     hs.ephemeral_private, NOISE_PUBLIC_KEY_LEN)))
		err = -ENOENT;
	if (!err) {
		session = peer->pending;
		peer->pending = NULL;
		memzero_explicit(&peer->handshake, sizeof(peer->handshake));
		fwg_establish(peer, session, &keys, in->sender_index, true);
		*owner = peer->owner;
	}
	spin_unlock_bh(&peer->lock);
out:
	if (err == -ESTALE)
		fwg_generation_notice();
	if (err && peer)
		local->ops->release(peer->owner);
	memzero_explicit(&hs, sizeof(hs));
	memzero_explicit(&keys, sizeof(keys));
	memzero_explicit(psk, sizeof(psk));
	memzero_explicit(private_key, sizeof(private_key));
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
	return err;
}
