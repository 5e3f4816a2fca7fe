// SPDX-License-Identifier: GPL-2.0
/*
 * noise: handshakes and sessions; see noise.h. The guarantee is in fwg_seal().
 *
 * Locking: noise_peer.lock guards the handshake and which session is in which
 * slot; noise_local.lock guards the identity. Neither is held during a
 * Diffie-Hellman: handshakes are computed on the stack and put into place at
 * the end, so that a reset never waits for one. Sessions are freed by RCU.
 */

#include "noise.h"
#include "clock.h"
#include "generation.h"
#include "mac.h"
#include "replay.h"

#include <crypto/algapi.h>
#include <linux/ktime.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static const u8 construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
static const u8 prologue[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

/* A cookie, or the secret that they are made of: good for a while, in one generation. */
struct noise_cookie {
	struct generation_stamp stamp;
	u64 birth; /* coarse boot time, ns; 0 when there is none */
	u8 secret[NOISE_HASH_LEN];
};

struct noise_local {
	struct generation_scope scope;
	const struct noise_owner_ops *ops;
	struct rhashtable peers; /* by public key */
	struct rhashtable sessions; /* by index, those of handshakes included */

	spinlock_t lock; /* guards all below */
	bool has_identity;
	u32 identity; /* counts the keys that this device has had */
	u8 private_key[NOISE_PUBLIC_KEY_LEN];
	u8 public_key[NOISE_PUBLIC_KEY_LEN];
	struct mac_keys mac_keys;
	struct noise_cookie cookie_secret; /* of the cookies that we give */
};

/* A handshake between two messages, or on the stack during one. */
struct noise_handshake {
	struct generation_stamp stamp;
	u32 identity;
	u8 hash[NOISE_HASH_LEN];
	u8 chaining_key[NOISE_HASH_LEN];
	u8 key[NOISE_SYMMETRIC_KEY_LEN];
	u8 ephemeral_private[NOISE_PUBLIC_KEY_LEN];
};

/* Both keys of a session, in the order in which the initiator uses them. */
struct noise_keys {
	u8 initiator[NOISE_SYMMETRIC_KEY_LEN];
	u8 responder[NOISE_SYMMETRIC_KEY_LEN];
};

/*
 * Exists from the first message of a handshake on, to hold its index; has keys
 * and is in a slot of its peer once @established.
 */
struct noise_session {
	struct rhash_head node;
	__le32 index;
	__le32 remote_index;
	struct noise_peer *peer;
	struct generation_stamp stamp;
	u64 birth; /* coarse boot time, ns */
	bool initiator;
	bool established;
	u8 send_key[NOISE_SYMMETRIC_KEY_LEN];
	u8 receive_key[NOISE_SYMMETRIC_KEY_LEN];
	atomic64_t nonce;
	struct replay_window replay;
	struct rcu_head rcu;
};

/* The current session is sent with; all are received with. */
enum slot {
	SLOT_CURRENT,
	SLOT_PREVIOUS,
	SLOT_NEXT, /* the peer has not shown yet that it has the keys */
	SLOTS,
};

struct noise_peer {
	struct rhash_head node;
	u8 public_key[NOISE_PUBLIC_KEY_LEN];
	struct mac_keys mac_keys;
	struct noise_local *local;
	struct fwg_peer *owner;
	struct generation_scope scope;

	spinlock_t lock; /* guards all below */
	bool removed;
	u8 psk[NOISE_SYMMETRIC_KEY_LEN];
	struct timespec64 last_claimed; /* timestamp of our latest initiation */
	u8 last_timestamp[NOISE_TIMESTAMP_LEN]; /* ... and of the peer's */
	u64 last_initiation; /* when that came: coarse boot time, ns */
	bool mac1_sent; /* and no cookie has come for it */
	u8 last_mac1[MESSAGE_MAC_LEN];
	struct noise_cookie cookie; /* that the peer has given us */
	struct noise_handshake handshake; /* of @pending, which we initiated */
	struct noise_session *pending;
	struct noise_session __rcu *slots[SLOTS];
	struct rcu_head rcu;
};

static const struct rhashtable_params peer_params = {
	.key_len = NOISE_PUBLIC_KEY_LEN,
	.key_offset = offsetof(struct noise_peer, public_key),
	.head_offset = offsetof(struct noise_peer, node),
	.automatic_shrinking = true,
};

static const struct rhashtable_params session_params = {
	.key_len = sizeof(__le32),
	.key_offset = offsetof(struct noise_session, index),
	.head_offset = offsetof(struct noise_session, node),
	.automatic_shrinking = true,
};

/* How deep it goes: Poly1305 in vector code, and Curve25519 in portable C. */
enum stack_kib {
	DATA_STACK_KIB = 2,
	HANDSHAKE_STACK_KIB = 3,
};

/*
 * Wipe what the functions called before have left on the stack below (R9). The
 * kernel's crypto wipes the keys that it has copied. But it leaves key stream and
 * one-time keys of messages, vector code included, and in portable C the insides
 * of hashes, from which keys can be computed.
 */
static noinline void fwg_wipe_stack(enum stack_kib kib)
{
	u8 leavings[1024] __uninitialized;

	if (kib > 1)
		fwg_wipe_stack(kib - 1);
	memzero_explicit(leavings, sizeof(leavings));
}

/*
 * fwg_seal() - the one door from plaintext to the wire
 *
 * Whatever forkguard sends encrypted was encrypted here: in place, in @len
 * bytes of @sg, which has room for the tag behind them. The stamp is read again
 * after the last byte is computed. A fork before that makes every clone wipe
 * what it has; a fork after it finds bytes that no longer change, and every
 * clone sends the same. So no two clones ever send different ciphertexts under
 * one key and nonce.
 *
 * The check must stay the last thing that is done here.
 */
static int __must_check fwg_seal(struct scatterlist *sg, size_t len, const u8 *ad, size_t ad_len,
				 u64 nonce, const u8 key[NOISE_SYMMETRIC_KEY_LEN],
				 const struct generation_scope *scope,
				 const struct generation_stamp *stamp)
{
	bool sealed = chacha20poly1305_encrypt_sg_inplace(sg, len, ad, ad_len, nonce, key);

	fwg_wipe_stack(DATA_STACK_KIB);
	if (likely(sealed && fwg_generation_is_current(scope, stamp)))
		return 0;

	sg_zero_buffer(sg, sg_nents(sg), len + NOISE_TAG_LEN, 0);
	fwg_generation_notice();
	return -ESTALE;
}

/*
 * fwg_seal_cookie() - the same door for cookies, which are sealed with XChaCha20
 *
 * @out has room for the tag. As in fwg_seal(), the check must stay the last thing.
 */
static int __must_check fwg_seal_cookie(u8 *out, const u8 cookie[MESSAGE_MAC_LEN],
					const u8 mac1[MESSAGE_MAC_LEN],
					const u8 nonce[COOKIE_NONCE_LEN],
					const u8 key[NOISE_SYMMETRIC_KEY_LEN],
					const struct generation_scope *scope,
					const struct generation_stamp *stamp)
{
	xchacha20poly1305_encrypt(out, cookie, MESSAGE_MAC_LEN, mac1, MESSAGE_MAC_LEN, nonce, key);
	fwg_wipe_stack(DATA_STACK_KIB);
	if (likely(fwg_generation_is_current(scope, stamp)))
		return 0;

	memzero_explicit(out, MESSAGE_MAC_LEN + NOISE_TAG_LEN);
	fwg_generation_notice();
	return -ESTALE;
}

/* HMAC-BLAKE2s (RFC 2104), of two inputs in a row. */
static void fwg_hmac(u8 out[NOISE_HASH_LEN], const u8 key[NOISE_HASH_LEN], const u8 *in, size_t len,
		     const u8 *in2, size_t len2)
{
	struct blake2s_state state;
	u8 pad[BLAKE2S_BLOCK_SIZE] __aligned(sizeof(u32)) = {};
	u8 inner[NOISE_HASH_LEN];
	int i;

	memcpy(pad, key, NOISE_HASH_LEN);
	for (i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	blake2s_init(&state, NOISE_HASH_LEN);
	blake2s_update(&state, pad, sizeof(pad));
	blake2s_update(&state, in, len);
	blake2s_update(&state, in2, len2);
	blake2s_final(&state, inner);

	for (i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	blake2s_init(&state, NOISE_HASH_LEN);
	blake2s_update(&state, pad, sizeof(pad));
	blake2s_update(&state, inner, sizeof(inner));
	blake2s_final(&state, out);

	memzero_explicit(&state, sizeof(state));
	memzero_explicit(pad, sizeof(pad));
	memzero_explicit(inner, sizeof(inner));
}

/*
 * HKDF as in section 4.3 of the Noise specification: @n outputs, of which
 * those that are NULL are computed and forgotten. An output may be the
 * chaining key itself.
 */
static void fwg_kdf(u8 *const out[], u8 n, const u8 chaining_key[NOISE_HASH_LEN], const u8 *in,
		    size_t len)
{
	u8 temp[NOISE_HASH_LEN], last[NOISE_HASH_LEN] = {};
	u8 i;

	fwg_hmac(temp, chaining_key, in, len, NULL, 0);
	for (i = 1; i <= n; i++) {
		fwg_hmac(last, temp, last, i > 1 ? sizeof(last) : 0, &i, 1);
		if (out[i - 1])
			memcpy(out[i - 1], last, NOISE_HASH_LEN);
	}
	memzero_explicit(temp, sizeof(temp));
	memzero_explicit(last, sizeof(last));
}

static void fwg_mix_hash(struct noise_handshake *hs, const u8 *in, size_t len)
{
	struct blake2s_state state;

	blake2s_init(&state, NOISE_HASH_LEN);
	blake2s_update(&state, hs->hash, NOISE_HASH_LEN);
	blake2s_update(&state, in, len);
	blake2s_final(&state, hs->hash);
}

static void fwg_mix_key(struct noise_handshake *hs, const u8 *in, size_t len)
{
	fwg_kdf((u8 *const[]){ hs->chaining_key, hs->key }, 2, hs->chaining_key, in, len);
}

static void fwg_mix_psk(struct noise_handshake *hs, const u8 psk[NOISE_SYMMETRIC_KEY_LEN])
{
	u8 temp[NOISE_HASH_LEN];

	fwg_kdf((u8 *const[]){ hs->chaining_key, temp, hs->key }, 3, hs->chaining_key, psk,
		NOISE_SYMMETRIC_KEY_LEN);
	fwg_mix_hash(hs, temp, sizeof(temp));
	memzero_explicit(temp, sizeof(temp));
}

/* A public key of low order gives a shared secret of zero: no handshake. */
static int __must_check fwg_mix_dh(struct noise_handshake *hs,
				   const u8 private_key[NOISE_PUBLIC_KEY_LEN],
				   const u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	u8 shared[NOISE_PUBLIC_KEY_LEN];
	bool ok = curve25519(shared, private_key, public_key);

	if (ok)
		fwg_mix_key(hs, shared, sizeof(shared));
	memzero_explicit(shared, sizeof(shared));
	return ok ? 0 : -EKEYREJECTED;
}

/* The ephemeral of either side; with a PSK in the pattern, it is a key too. */
static void fwg_mix_ephemeral(struct noise_handshake *hs, const u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	fwg_mix_hash(hs, public_key, NOISE_PUBLIC_KEY_LEN);
	fwg_mix_key(hs, public_key, NOISE_PUBLIC_KEY_LEN);
}

/* @out has room for the tag and, being mapped, is not on a stack. */
static int __must_check fwg_encrypt_and_hash(struct noise_handshake *hs,
					     const struct generation_scope *scope, u8 *out,
					     const u8 *in, size_t len)
{
	struct scatterlist sg;
	int err;

	sg_init_one(&sg, out, len + NOISE_TAG_LEN);
	memcpy(out, in, len);
	err = fwg_seal(&sg, len, hs->hash, NOISE_HASH_LEN, 0, hs->key, scope, &hs->stamp);
	if (!err)
		fwg_mix_hash(hs, out, len + NOISE_TAG_LEN);
	return err;
}

static int __must_check fwg_decrypt_and_hash(struct noise_handshake *hs, u8 *out, const u8 *in,
					     size_t len)
{
	if (!chacha20poly1305_decrypt(out, in, len, hs->hash, NOISE_HASH_LEN, 0, hs->key))
		return -EBADMSG;
	fwg_mix_hash(hs, in, len);
	return 0;
}

static void fwg_handshake_begin(struct noise_handshake *hs, const u8 *prologue, size_t len,
				const u8 responder[NOISE_PUBLIC_KEY_LEN])
{
	blake2s(hs->chaining_key, construction, NULL, NOISE_HASH_LEN, sizeof(construction) - 1, 0);
	memcpy(hs->hash, hs->chaining_key, NOISE_HASH_LEN);
	fwg_mix_hash(hs, prologue, len);
	fwg_mix_hash(hs, responder, NOISE_PUBLIC_KEY_LEN);
}

/* Draw the ephemeral of a handshake, whose stamp was read before. */
static int __must_check fwg_draw_ephemeral(struct noise_handshake *hs,
					   u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	fwg_generation_draw(&hs->stamp, hs->ephemeral_private, NOISE_PUBLIC_KEY_LEN);
	curve25519_clamp_secret(hs->ephemeral_private);
	return curve25519_generate_public(public_key, hs->ephemeral_private) ? 0 : -EKEYREJECTED;
}

static void fwg_split(struct noise_keys *keys, const struct noise_handshake *hs)
{
	fwg_kdf((u8 *const[]){ keys->initiator, keys->responder }, 2, hs->chaining_key, NULL, 0);
}

/* Messages: e, es, s, ss, payload ... */
static int __must_check fwg_write_initiation(struct noise_handshake *hs,
					     const struct generation_scope *scope,
					     const u8 private_key[NOISE_PUBLIC_KEY_LEN],
					     const u8 public_key[NOISE_PUBLIC_KEY_LEN],
					     const u8 responder[NOISE_PUBLIC_KEY_LEN],
					     u8 *ephemeral, u8 *encrypted_static,
					     u8 *encrypted_payload, const u8 *payload, size_t len)
{
	int err;

	fwg_mix_ephemeral(hs, ephemeral);
	err = fwg_mix_dh(hs, hs->ephemeral_private, responder);
	if (err)
		return err;
	err = fwg_encrypt_and_hash(hs, scope, encrypted_static, public_key, NOISE_PUBLIC_KEY_LEN);
	if (err)
		return err;
	err = fwg_mix_dh(hs, private_key, responder);
	if (err)
		return err;
	return fwg_encrypt_and_hash(hs, scope, encrypted_payload, payload, len);
}

/* ... and e, ee, se, psk, payload. */
static int __must_check fwg_write_response(struct noise_handshake *hs,
					   const struct generation_scope *scope,
					   const u8 initiator[NOISE_PUBLIC_KEY_LEN],
					   const u8 initiator_ephemeral[NOISE_PUBLIC_KEY_LEN],
					   const u8 psk[NOISE_SYMMETRIC_KEY_LEN], u8 *ephemeral,
					   u8 *encrypted_payload, const u8 *payload, size_t len)
{
	int err;

	fwg_mix_ephemeral(hs, ephemeral);
	err = fwg_mix_dh(hs, hs->ephemeral_private, initiator_ephemeral);
	if (err)
		return err;
	err = fwg_mix_dh(hs, hs->ephemeral_private, initiator);
	if (err)
		return err;
	fwg_mix_psk(hs, psk);
	return fwg_encrypt_and_hash(hs, scope, encrypted_payload, payload, len);
}

static int __must_check fwg_read_response(struct noise_handshake *hs,
					  const u8 private_key[NOISE_PUBLIC_KEY_LEN],
					  const u8 psk[NOISE_SYMMETRIC_KEY_LEN],
					  const u8 *ephemeral, u8 *payload,
					  const u8 *encrypted_payload, size_t len)
{
	int err;

	fwg_mix_ephemeral(hs, ephemeral);
	err = fwg_mix_dh(hs, hs->ephemeral_private, ephemeral);
	if (err)
		return err;
	err = fwg_mix_dh(hs, private_key, ephemeral);
	if (err)
		return err;
	fwg_mix_psk(hs, psk);
	return fwg_decrypt_and_hash(hs, payload, encrypted_payload, len);
}

/* TAI64N, as 8 and 4 bytes big endian. */
static void fwg_encode_timestamp(u8 out[NOISE_TIMESTAMP_LEN], const struct timespec64 *time)
{
	__be64 sec = cpu_to_be64(0x400000000000000aULL + time->tv_sec);
	__be32 nsec = cpu_to_be32(time->tv_nsec);

	memcpy(out, &sec, sizeof(sec));
	memcpy(out + sizeof(sec), &nsec, sizeof(nsec));
}

/*
 * The time to claim in an initiation: coarse, to give away nothing about the
 * timing of what this machine computes, and always later than the last.
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

static struct noise_session *fwg_session_create(struct noise_peer *peer,
						const struct generation_stamp *stamp)
{
	struct noise_session *session = kzalloc(sizeof(*session), GFP_KERNEL);
	int err;

	if (!session)
		return NULL;
	session->peer = peer;
	session->stamp = *stamp;
	fwg_replay_init(&session->replay);
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
 * Wipe a session at once. Whoever is using it finds its stamp revoked by the
 * time it could see a wiped key or counter.
 */
static void fwg_session_retire(struct noise_session *session)
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

static struct noise_session *fwg_in_slot(struct noise_peer *peer, enum slot slot)
{
	return rcu_dereference_protected(peer->slots[slot], lockdep_is_held(&peer->lock));
}

static void fwg_retire_pending(struct noise_peer *peer)
{
	lockdep_assert_held(&peer->lock);

	fwg_session_retire(peer->pending);
	peer->pending = NULL;
	memzero_explicit(&peer->handshake, sizeof(peer->handshake));
}

/* Give a session its keys, and its slot by the rules of section 6.2. */
static void fwg_establish(struct noise_peer *peer, struct noise_session *session,
			  const struct noise_keys *keys, __le32 remote_index, bool initiator)
{
	struct noise_session *previous = fwg_in_slot(peer, SLOT_PREVIOUS);
	struct noise_session *next = fwg_in_slot(peer, SLOT_NEXT);

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
		/* Not to be sent with until the peer has shown that it has it. */
		rcu_assign_pointer(peer->slots[SLOT_NEXT], session);
		fwg_session_retire(next);
		return;
	}
	if (next) {
		rcu_assign_pointer(peer->slots[SLOT_PREVIOUS], next);
		rcu_assign_pointer(peer->slots[SLOT_NEXT], NULL);
		fwg_session_retire(previous);
		previous = fwg_in_slot(peer, SLOT_CURRENT);
	} else {
		rcu_assign_pointer(peer->slots[SLOT_PREVIOUS], fwg_in_slot(peer, SLOT_CURRENT));
	}
	rcu_assign_pointer(peer->slots[SLOT_CURRENT], session);
	fwg_session_retire(previous);
}

/* A copy of the identity for one handshake. */
static int __must_check fwg_copy_identity(struct noise_local *local, struct noise_handshake *hs,
					  u8 private_key[NOISE_PUBLIC_KEY_LEN],
					  u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	bool ok;

	spin_lock_bh(&local->lock);
	ok = local->has_identity;
	hs->identity = local->identity;
	memcpy(private_key, local->private_key, NOISE_PUBLIC_KEY_LEN);
	memcpy(public_key, local->public_key, NOISE_PUBLIC_KEY_LEN);
	spin_unlock_bh(&local->lock);
	return ok ? 0 : -ENOKEY;
}

/* May what was computed with @hs be put into place still? */
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
 * @peer: the responder; a handshake with it that is not finished is given up
 * @msg: the message to send, without type and MACs; not on a stack
 *
 * Context: process.
 * Return: 0; -ESTALE when the machine was forked, or got another private key,
 * meanwhile, and @msg is of no use; -ENOKEY without a private key, or when the
 * peer was removed; -EKEYREJECTED for a public key of low order; -ENOMEM;
 * -ERESTARTSYS when interrupted.
 */
int fwg_noise_initiate(struct noise_peer *peer, struct message_initiation *msg)
{
	u8 private_key[NOISE_PUBLIC_KEY_LEN], public_key[NOISE_PUBLIC_KEY_LEN];
	u8 timestamp[NOISE_TIMESTAMP_LEN];
	struct noise_session *session = NULL;
	struct noise_handshake hs;
	struct timespec64 now;
	int err;

	/* A machine that boots may have no randomness yet. */
	err = wait_for_random_bytes();
	if (err)
		return err;
	/* R1: before the first random byte. */
	hs.stamp = fwg_generation_read(&peer->scope);

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
	err = fwg_write_initiation(&hs, &peer->scope, private_key, public_key, peer->public_key,
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
	fwg_session_retire(session);
	memzero_explicit(&hs, sizeof(hs));
	memzero_explicit(private_key, sizeof(private_key));
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
	return err;
}

/**
 * fwg_noise_respond() - answer the initiation of a handshake
 * @local: the device that it was sent to
 * @in: the initiation
 * @out: the response to send, without type and MACs; not on a stack
 * @owner: the initiator; the caller gets a reference when 0 is returned
 *
 * Context: process.
 * Return: 0; -ESTALE when the machine was forked, or got another private key,
 * meanwhile, and @out is of no use; -ENOKEY without a private key or for an
 * unknown initiator; -EBADMSG for a message that is not authentic;
 * -EKEYREJECTED for a public key of low order; -EALREADY for a replay; -EBUSY
 * for the next of too many; -ENOMEM; -ERESTARTSYS when interrupted.
 */
int fwg_noise_respond(struct noise_local *local, const struct message_initiation *in,
		      struct message_response *out, struct fwg_peer **owner)
{
	u8 private_key[NOISE_PUBLIC_KEY_LEN], public_key[NOISE_PUBLIC_KEY_LEN];
	u8 initiator[NOISE_PUBLIC_KEY_LEN], psk[NOISE_SYMMETRIC_KEY_LEN];
	const u64 interval = NSEC_PER_SEC / INITIATIONS_PER_SECOND;
	u8 timestamp[NOISE_TIMESTAMP_LEN];
	struct noise_session *session = NULL;
	struct generation_stamp begun;
	struct noise_peer *peer = NULL;
	struct noise_handshake hs;
	struct noise_keys keys;
	u64 now;
	int err;

	/* A machine that boots may have no randomness yet. */
	err = wait_for_random_bytes();
	if (err)
		return err;
	begun = fwg_generation_read(&local->scope);

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
	rcu_read_lock();
	peer = rhashtable_lookup(&local->peers, initiator, peer_params);
	if (peer && !local->ops->hold(peer->owner))
		peer = NULL;
	rcu_read_unlock();
	if (!peer)
		goto out;

	err = fwg_mix_dh(&hs, private_key, initiator);
	if (err)
		goto out;
	err = fwg_decrypt_and_hash(&hs, timestamp, in->encrypted_timestamp,
				   sizeof(in->encrypted_timestamp));
	if (err)
		goto out;

	/* R1: before the first random byte, and still in the generation of the start. */
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
	memzero_explicit(private_key, sizeof(private_key));
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
	return err;
}

/**
 * fwg_noise_finish() - take the response to an initiation of ours
 * @local: the device that it was sent to
 * @in: the response
 * @owner: the responder; the caller gets a reference when 0 is returned
 *
 * Context: process.
 * Return: 0, and there is a session to send with; -ENOENT when it answers no
 * handshake that we have begun; otherwise as fwg_noise_respond().
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
	session = rhashtable_lookup(&local->sessions, &in->receiver_index, session_params);
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
	/* Another initiation may have taken the place of this one. */
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

static bool fwg_cookie_is_fresh(const struct noise_cookie *cookie,
				const struct generation_scope *scope, u64 seconds)
{
	return cookie->birth &&
	       ktime_get_coarse_boottime_ns() - cookie->birth < seconds * NSEC_PER_SEC &&
	       fwg_generation_is_current(scope, &cookie->stamp);
}

/**
 * fwg_noise_add_macs() - finish a handshake message
 * @peer: to this peer
 * @msg: the message
 * @len: its length, with MACs
 *
 * Context: any but hard interrupts.
 */
void fwg_noise_add_macs(struct noise_peer *peer, void *msg, size_t len)
{
	struct message_macs *macs = fwg_macs_of(msg, len);

	fwg_mac1_compute(macs->mac1, msg, len, &peer->mac_keys);
	memset(macs->mac2, 0, sizeof(macs->mac2));
	spin_lock_bh(&peer->lock);
	memcpy(peer->last_mac1, macs->mac1, sizeof(macs->mac1));
	peer->mac1_sent = true;
	/* One that goes out of date on the way would be of no use. */
	if (fwg_cookie_is_fresh(&peer->cookie, &peer->scope, COOKIE_TIME - COOKIE_LATENCY))
		fwg_mac2_compute(macs->mac2, msg, len, peer->cookie.secret);
	spin_unlock_bh(&peer->lock);
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
}

/**
 * fwg_noise_mac1_valid() - does the sender of a message know who we are?
 * @local: the device that it was sent to
 * @msg: the message
 * @len: its length, with MACs
 *
 * Context: any but hard interrupts.
 */
bool fwg_noise_mac1_valid(struct noise_local *local, const void *msg, size_t len)
{
	u8 mac[MESSAGE_MAC_LEN];
	struct mac_keys keys;
	bool ok;

	spin_lock_bh(&local->lock);
	ok = local->has_identity;
	keys = local->mac_keys;
	spin_unlock_bh(&local->lock);
	fwg_mac1_compute(mac, msg, len, &keys);
	return ok && !crypto_memneq(mac, fwg_macs_of(msg, len)->mac1, sizeof(mac));
}

/* The cookie of a source, of the secret that there is. */
static void fwg_make_cookie(const struct noise_local *local, const struct noise_source *source,
			    u8 cookie[MESSAGE_MAC_LEN])
{
	lockdep_assert_held(&local->lock);

	blake2s(cookie, (const u8 *)source, local->cookie_secret.secret, MESSAGE_MAC_LEN,
		sizeof(*source), NOISE_HASH_LEN);
}

/**
 * fwg_noise_mac2_valid() - does the sender of a message get what we send it?
 * @local: the device that it was sent to
 * @msg: the message
 * @len: its length, with MACs
 * @source: where it seems to come from
 *
 * Context: any but hard interrupts.
 * Return: true when it has a cookie that we have sent there lately.
 */
bool fwg_noise_mac2_valid(struct noise_local *local, const void *msg, size_t len,
			  const struct noise_source *source)
{
	u8 mac[MESSAGE_MAC_LEN], cookie[MESSAGE_MAC_LEN];
	bool fresh;

	spin_lock_bh(&local->lock);
	fresh = fwg_cookie_is_fresh(&local->cookie_secret, &local->scope, COOKIE_TIME);
	fwg_make_cookie(local, source, cookie);
	spin_unlock_bh(&local->lock);
	fwg_mac2_compute(mac, msg, len, cookie);
	memzero_explicit(cookie, sizeof(cookie));
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
	return fresh && !crypto_memneq(mac, fwg_macs_of(msg, len)->mac2, sizeof(mac));
}

/**
 * fwg_noise_give_cookie() - answer a handshake message with a cookie
 * @local: the device that it was sent to
 * @msg: the message; its first MAC is valid
 * @len: its length, with MACs
 * @source: where it seems to come from
 * @out: the cookie reply to send there, without type and receiver index
 *
 * Context: process.
 * Return: 0; -ESTALE when the machine was forked meanwhile, and @out is of no
 * use; -ERESTARTSYS when interrupted.
 */
int fwg_noise_give_cookie(struct noise_local *local, const void *msg, size_t len,
			  const struct noise_source *source, struct message_cookie *out)
{
	struct noise_cookie *secret = &local->cookie_secret;
	u8 cookie[MESSAGE_MAC_LEN], key[NOISE_SYMMETRIC_KEY_LEN];
	struct generation_stamp stamp;
	int err;

	/* A machine that boots may have no randomness yet. */
	err = wait_for_random_bytes();
	if (err)
		return err;
	/* R1: before the first random byte. */
	stamp = fwg_generation_read(&local->scope);

	spin_lock_bh(&local->lock);
	if (!fwg_cookie_is_fresh(secret, &local->scope, COOKIE_TIME)) {
		secret->stamp = stamp;
		secret->birth = ktime_get_coarse_boottime_ns();
		fwg_generation_draw(&stamp, secret->secret, sizeof(secret->secret));
	}
	fwg_make_cookie(local, source, cookie);
	memcpy(key, local->mac_keys.cookie, sizeof(key));
	spin_unlock_bh(&local->lock);

	/* Two clones of one secret never share this one (R2). */
	fwg_generation_draw(&stamp, out->nonce, sizeof(out->nonce));
	err = fwg_seal_cookie(out->encrypted_cookie, cookie, fwg_macs_of(msg, len)->mac1,
			      out->nonce, key, &local->scope, &stamp);
	memzero_explicit(cookie, sizeof(cookie));
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
	return err;
}

/**
 * fwg_noise_take_cookie() - take the answer of a peer that is under load
 * @local: the device that it was sent to
 * @in: the cookie reply
 *
 * The cookie goes into messages to come. Whoever waits for an answer sends the
 * next one when its time has come, no sooner. It moves no peer, and comes from
 * none in particular: it is not counted as received.
 *
 * Context: process.
 * Return: 0; -ENOENT when we have sent no such message, or had a cookie for it
 * already; -EBADMSG for a reply that is not authentic; -ESTALE when the machine
 * was forked since the handshake began.
 */
int fwg_noise_take_cookie(struct noise_local *local, const struct message_cookie *in)
{
	struct noise_cookie cookie = {};
	struct noise_peer *peer = NULL;
	struct noise_session *session;
	u8 mac1[MESSAGE_MAC_LEN];
	int err = -ENOENT;

	rcu_read_lock();
	session = rhashtable_lookup(&local->sessions, &in->receiver_index, session_params);
	if (session && local->ops->hold(session->peer->owner)) {
		peer = session->peer;
		/* If the session ends meanwhile, the cookie is of this generation all the same. */
		cookie.stamp = data_race(session->stamp);
	}
	rcu_read_unlock();
	if (!peer)
		return err;

	spin_lock_bh(&peer->lock);
	if (peer->mac1_sent)
		err = 0;
	memcpy(mac1, peer->last_mac1, sizeof(mac1));
	spin_unlock_bh(&peer->lock);
	if (err)
		goto out;

	if (!xchacha20poly1305_decrypt(cookie.secret, in->encrypted_cookie,
				       sizeof(in->encrypted_cookie), mac1, sizeof(mac1), in->nonce,
				       peer->mac_keys.cookie)) {
		err = -EBADMSG;
		goto out;
	}
	cookie.birth = ktime_get_coarse_boottime_ns();

	spin_lock_bh(&peer->lock);
	/* R5: a message of the past asked for it. */
	if (peer->removed || !fwg_generation_is_current(&peer->scope, &cookie.stamp)) {
		err = -ESTALE;
	} else {
		peer->cookie = cookie;
		peer->mac1_sent = false;
	}
	spin_unlock_bh(&peer->lock);
out:
	if (err == -ESTALE)
		fwg_generation_notice();
	local->ops->release(peer->owner);
	memzero_explicit(&cookie, sizeof(cookie));
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
	return err;
}

/**
 * fwg_noise_session_current() - the session to send with
 * @peer: the peer
 *
 * Context: RCU read-side critical section.
 * Return: the session, usable or not, or NULL.
 */
struct noise_session *fwg_noise_session_current(struct noise_peer *peer)
{
	return rcu_dereference(peer->slots[SLOT_CURRENT]);
}

/**
 * fwg_noise_session_find() - the session that a data message is for
 * @local: the device that it was sent to
 * @index: its receiver index
 *
 * Context: RCU read-side critical section.
 * Return: the session, or NULL when there is none with keys.
 */
struct noise_session *fwg_noise_session_find(struct noise_local *local, __le32 index)
{
	struct noise_session *session;

	session = rhashtable_lookup(&local->sessions, &index, session_params);
	/* Pairs with fwg_establish(). */
	return session && smp_load_acquire(&session->established) ? session : NULL;
}

/**
 * fwg_noise_session_owner() - whose session is it?
 * @session: the session
 *
 * Context: RCU read-side critical section.
 */
struct fwg_peer *fwg_noise_session_owner(const struct noise_session *session)
{
	return session->peer->owner;
}

static bool fwg_older_than(const struct noise_session *session, u64 seconds)
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
 * fwg_noise_session_usable() - may be sent with, for all that is known now?
 * @session: the session
 *
 * A cheap check that keeps the plaintext (R4). fwg_noise_seal() decides.
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
 * fwg_noise_peer_has_begun() - is a handshake under way, or a session there?
 * @peer: the peer
 *
 * Context: any but hard interrupts.
 * Return: false when there is neither in the running generation.
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
 * fwg_noise_session_old_to_send() - is it time for a new handshake, when sending?
 * @session: the session
 */
bool fwg_noise_session_old_to_send(const struct noise_session *session)
{
	return (u64)atomic64_read(&session->nonce) >= REKEY_AFTER_MESSAGES ||
	       (session->initiator && fwg_older_than(session, REKEY_AFTER_TIME));
}

/**
 * fwg_noise_session_old_to_receive() - is it time for one, when receiving?
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
 * fwg_noise_seal() - encrypt a data message
 * @session: the session
 * @sg: the plaintext, encrypted in place, and room for the tag behind it
 * @len: of the plaintext, padded
 * @header: filled in
 *
 * Context: RCU read-side critical section, BHs disabled.
 * Return: 0; -EAGAIN when the session is of no use: the plaintext is as it was
 * and may go through another; -ESTALE when the machine was forked, or the
 * session ended, meanwhile: the plaintext is wiped.
 */
int fwg_noise_seal(struct noise_session *session, struct scatterlist *sg, size_t len,
		   struct message_data *header)
{
	u64 nonce;

	if (unlikely(!fwg_noise_session_usable(session)))
		return -EAGAIN;
	/* Sticks at the limit, however many try: it can't wrap. */
	nonce = atomic64_fetch_add_unless(&session->nonce, 1, REJECT_AFTER_MESSAGES);
	if (unlikely(nonce >= REJECT_AFTER_MESSAGES))
		return -EAGAIN;

	header->type = cpu_to_le32(MESSAGE_DATA);
	header->receiver_index = session->remote_index;
	header->counter = cpu_to_le64(nonce);
	return fwg_seal(sg, len, NULL, 0, nonce, session->send_key, &session->peer->scope,
			&session->stamp);
}

/**
 * fwg_noise_open() - authenticate and decrypt a data message
 * @session: the session that fwg_noise_session_find() found for it
 * @sg: the ciphertext with its tag, decrypted in place
 * @len: of the ciphertext with its tag
 * @header: the header of the message
 *
 * Context: RCU read-side critical section, BHs disabled.
 * Return: 0; -ESTALE for a session that is of no use any more; -EBADMSG for a
 * message that is not authentic; -EALREADY for a replay.
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
	/* R5: nor under a key, or by a window, that was wiped meanwhile. */
	return likely(fwg_session_is_current(session)) ? 0 : -ESTALE;
}

/**
 * fwg_noise_session_confirm() - the peer has shown that it has a session's keys
 * @session: the session that an authentic message came for
 *
 * Context: RCU read-side critical section, BHs disabled.
 * Return: true when we may send with the session from now on, and could not
 * before.
 */
bool fwg_noise_session_confirm(struct noise_session *session)
{
	struct noise_peer *peer = session->peer;
	bool confirmed;

	if (likely(rcu_access_pointer(peer->slots[SLOT_NEXT]) != session))
		return false;

	spin_lock_bh(&peer->lock);
	confirmed = fwg_in_slot(peer, SLOT_NEXT) == session;
	if (confirmed) {
		fwg_session_retire(fwg_in_slot(peer, SLOT_PREVIOUS));
		rcu_assign_pointer(peer->slots[SLOT_PREVIOUS], fwg_in_slot(peer, SLOT_CURRENT));
		rcu_assign_pointer(peer->slots[SLOT_CURRENT], session);
		rcu_assign_pointer(peer->slots[SLOT_NEXT], NULL);
	}
	spin_unlock_bh(&peer->lock);
	return confirmed;
}

/**
 * fwg_noise_local_create() - a device without identity and peers
 * @ops: references on the owners of its peers
 *
 * Context: process.
 * Return: the device, or an error pointer.
 */
struct noise_local *fwg_noise_local_create(const struct noise_owner_ops *ops)
{
	struct noise_local *local = kzalloc(sizeof(*local), GFP_KERNEL);
	int err;

	if (!local)
		return ERR_PTR(-ENOMEM);
	local->scope.parent = &generation_root;
	local->ops = ops;
	spin_lock_init(&local->lock);
	err = rhashtable_init(&local->peers, &peer_params);
	if (err)
		goto err_free;
	err = rhashtable_init(&local->sessions, &session_params);
	if (err)
		goto err_peers;
	return local;

err_peers:
	rhashtable_destroy(&local->peers);
err_free:
	kfree(local);
	return ERR_PTR(err);
}

/**
 * fwg_noise_local_destroy() - wipe and free a device
 * @local: the device; all its peers have been removed, and a grace period has
 *	passed since
 *
 * Context: process.
 */
void fwg_noise_local_destroy(struct noise_local *local)
{
	rhashtable_destroy(&local->sessions);
	rhashtable_destroy(&local->peers);
	kfree_sensitive(local);
}

/**
 * fwg_noise_local_set_private_key() - give a device an identity, or take it away
 * @local: the device
 * @private_key: the key; all zero for none
 *
 * Handshakes under way fail; sessions stay until fwg_noise_peer_clear().
 *
 * Context: process.
 */
void fwg_noise_local_set_private_key(struct noise_local *local,
				     const u8 private_key[NOISE_PUBLIC_KEY_LEN])
{
	spin_lock_bh(&local->lock);
	memcpy(local->private_key, private_key, NOISE_PUBLIC_KEY_LEN);
	local->has_identity =
		crypto_memneq(private_key, curve25519_null_point, NOISE_PUBLIC_KEY_LEN);
	if (local->has_identity) {
		curve25519_clamp_secret(local->private_key);
		local->has_identity =
			curve25519_generate_public(local->public_key, local->private_key);
	}
	if (!local->has_identity) {
		memzero_explicit(local->private_key, NOISE_PUBLIC_KEY_LEN);
		memset(local->public_key, 0, NOISE_PUBLIC_KEY_LEN);
	}
	fwg_mac_keys(&local->mac_keys, local->public_key);
	WRITE_ONCE(local->identity, local->identity + 1);
	spin_unlock_bh(&local->lock);
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
}

/**
 * fwg_noise_local_identity() - the keys of a device
 * @local: the device
 * @private_key: the private key, for its owner to see, or NULL
 * @public_key: the public key
 *
 * Context: process.
 * Return: false when there is none.
 */
bool fwg_noise_local_identity(struct noise_local *local, u8 private_key[NOISE_PUBLIC_KEY_LEN],
			      u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	bool ok;

	spin_lock_bh(&local->lock);
	ok = local->has_identity;
	if (private_key)
		memcpy(private_key, local->private_key, NOISE_PUBLIC_KEY_LEN);
	memcpy(public_key, local->public_key, NOISE_PUBLIC_KEY_LEN);
	spin_unlock_bh(&local->lock);
	return ok;
}

/**
 * fwg_noise_local_scope() - the scope of all secrets of a device
 * @local: the device
 */
struct generation_scope *fwg_noise_local_scope(struct noise_local *local)
{
	return &local->scope;
}

/**
 * fwg_noise_local_reset() - wipe what is stale of a device itself (R6)
 * @local: the device
 *
 * Context: any but hard interrupts.
 */
void fwg_noise_local_reset(struct noise_local *local)
{
	spin_lock_bh(&local->lock);
	if (!fwg_generation_is_current(&local->scope, &local->cookie_secret.stamp))
		memzero_explicit(&local->cookie_secret, sizeof(local->cookie_secret));
	spin_unlock_bh(&local->lock);
}

/**
 * fwg_noise_peer_create() - a peer that may speak
 * @local: the device
 * @owner: what fwg_noise_respond() and the like tell of it
 * @public_key: its identity
 * @psk: the pre-shared key, or NULL for none
 *
 * Context: process.
 * Return: the peer, which nobody finds before fwg_noise_peer_publish(), or NULL.
 */
struct noise_peer *fwg_noise_peer_create(struct noise_local *local, struct fwg_peer *owner,
					 const u8 public_key[NOISE_PUBLIC_KEY_LEN], const u8 *psk)
{
	struct noise_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL);

	if (!peer)
		return NULL;
	memcpy(peer->public_key, public_key, NOISE_PUBLIC_KEY_LEN);
	fwg_mac_keys(&peer->mac_keys, public_key);
	if (psk)
		memcpy(peer->psk, psk, NOISE_SYMMETRIC_KEY_LEN);
	peer->local = local;
	peer->owner = owner;
	peer->scope.parent = &local->scope;
	spin_lock_init(&peer->lock);
	return peer;
}

/**
 * fwg_noise_peer_publish() - have handshakes with a peer begin
 * @peer: the peer; its owner is complete
 *
 * Context: process.
 * Return: 0; -EEXIST for a key that a peer has; -ENOMEM.
 */
int fwg_noise_peer_publish(struct noise_peer *peer)
{
	return rhashtable_lookup_insert_fast(&peer->local->peers, &peer->node, peer_params);
}

/**
 * fwg_noise_peer_remove() - the peer may not speak any more
 * @peer: the peer; stays until fwg_noise_peer_free(), without sessions
 *
 * Context: process.
 */
void fwg_noise_peer_remove(struct noise_peer *peer)
{
	rhashtable_remove_fast(&peer->local->peers, &peer->node, peer_params);
	spin_lock_bh(&peer->lock);
	peer->removed = true;
	spin_unlock_bh(&peer->lock);
	fwg_noise_peer_clear(peer);
}

/**
 * fwg_noise_peer_free() - wipe and free a peer that has been removed, or never published
 * @peer: the peer
 *
 * Context: any; RCU readers may still look at the peer.
 */
void fwg_noise_peer_free(struct noise_peer *peer)
{
	memzero_explicit(peer->psk, sizeof(peer->psk));
	memzero_explicit(&peer->cookie, sizeof(peer->cookie));
	kfree_rcu(peer, rcu);
}

/**
 * fwg_noise_peer_find() - find a peer by its identity
 * @local: the device
 * @public_key: the identity
 *
 * Context: any.
 * Return: the owner, with a reference, or NULL.
 */
struct fwg_peer *fwg_noise_peer_find(struct noise_local *local,
				     const u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	struct fwg_peer *owner = NULL;
	struct noise_peer *peer;

	rcu_read_lock();
	peer = rhashtable_lookup(&local->peers, public_key, peer_params);
	if (peer && local->ops->hold(peer->owner))
		owner = peer->owner;
	rcu_read_unlock();
	return owner;
}

/**
 * fwg_noise_peer_public_key() - the identity of a peer
 * @peer: the peer
 */
const u8 *fwg_noise_peer_public_key(const struct noise_peer *peer)
{
	return peer->public_key;
}

/**
 * fwg_noise_peer_set_psk() - set the pre-shared key for handshakes to come
 * @peer: the peer
 * @psk: the key; all zero for none
 *
 * Context: any.
 */
void fwg_noise_peer_set_psk(struct noise_peer *peer, const u8 psk[NOISE_SYMMETRIC_KEY_LEN])
{
	spin_lock_bh(&peer->lock);
	memcpy(peer->psk, psk, NOISE_SYMMETRIC_KEY_LEN);
	spin_unlock_bh(&peer->lock);
}

/**
 * fwg_noise_peer_psk() - the pre-shared key, for its owner to see
 * @peer: the peer
 * @psk: the key
 *
 * Context: any.
 */
void fwg_noise_peer_psk(struct noise_peer *peer, u8 psk[NOISE_SYMMETRIC_KEY_LEN])
{
	spin_lock_bh(&peer->lock);
	memcpy(psk, peer->psk, NOISE_SYMMETRIC_KEY_LEN);
	spin_unlock_bh(&peer->lock);
}

/**
 * fwg_noise_peer_scope() - the scope of all secrets shared with a peer
 * @peer: the peer
 */
struct generation_scope *fwg_noise_peer_scope(struct noise_peer *peer)
{
	return &peer->scope;
}

/**
 * fwg_noise_peer_draw() - random bytes that differ between clones
 * @peer: the peer that they are for
 * @out: where they go
 * @len: how many, 32 at most
 *
 * Context: any.
 */
void fwg_noise_peer_draw(struct noise_peer *peer, void *out, size_t len)
{
	struct generation_stamp stamp = fwg_generation_read(&peer->scope);

	fwg_generation_draw(&stamp, out, len);
}

/**
 * fwg_noise_peer_clear() - wipe the handshake and all sessions with a peer, and its cookie
 * @peer: the peer
 *
 * Context: any but hard interrupts.
 */
void fwg_noise_peer_clear(struct noise_peer *peer)
{
	struct noise_session *session;
	enum slot i;

	spin_lock_bh(&peer->lock);
	fwg_retire_pending(peer);
	memzero_explicit(&peer->cookie, sizeof(peer->cookie));
	for (i = 0; i < SLOTS; i++) {
		session = fwg_in_slot(peer, i);
		RCU_INIT_POINTER(peer->slots[i], NULL);
		fwg_session_retire(session);
	}
	spin_unlock_bh(&peer->lock);
}

/**
 * fwg_noise_peer_reset() - wipe what is stale of a peer (R6)
 * @peer: the peer
 *
 * What has begun in the running generation stays (R7).
 *
 * Context: any but hard interrupts.
 * Return: what was wiped.
 */
enum noise_wiped fwg_noise_peer_reset(struct noise_peer *peer)
{
	enum noise_wiped wiped = NOISE_WIPED_NOTHING;
	struct noise_session *session;
	bool begun;
	enum slot i;

	spin_lock_bh(&peer->lock);
	if (!fwg_generation_is_current(&peer->scope, &peer->cookie.stamp))
		memzero_explicit(&peer->cookie, sizeof(peer->cookie));
	if (peer->pending && !fwg_generation_is_current(&peer->scope, &peer->handshake.stamp)) {
		fwg_retire_pending(peer);
		wiped = NOISE_WIPED_LIVE;
	}
	begun = peer->pending;
	for (i = 0; i < SLOTS; i++) {
		session = fwg_in_slot(peer, i);
		if (!session)
			continue;
		if (fwg_generation_is_current(&peer->scope, &session->stamp)) {
			/* The next session may be one that a sibling got first. */
			begun |= i == SLOT_CURRENT;
			continue;
		}
		wiped = max(wiped,
			    i == SLOT_PREVIOUS || fwg_older_than(session, REJECT_AFTER_TIME) ?
				    NOISE_WIPED_OLD :
				    NOISE_WIPED_LIVE);
		RCU_INIT_POINTER(peer->slots[i], NULL);
		fwg_session_retire(session);
	}
	spin_unlock_bh(&peer->lock);
	return begun ? min(wiped, NOISE_WIPED_OLD) : wiped;
}

#ifdef FORKGUARD_KUNIT
#include "noise_test.c"
#endif
