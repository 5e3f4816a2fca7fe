// SPDX-License-Identifier: GPL-2.0
/* cookie: see cookie.h. */

#include "cookie.h"
#include "seal.h"
#include "session.h"
#include "symmetric.h"

#include <crypto/algapi.h>
#include <linux/random.h>

static void fwg_derive(u8 key[NOISE_SYMMETRIC_KEY_LEN], const char label[8],
		       const u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	struct blake2s_state state;

	blake2s_init(&state, NOISE_SYMMETRIC_KEY_LEN);
	blake2s_update(&state, (const u8 *)label, 8);
	blake2s_update(&state, public_key, NOISE_PUBLIC_KEY_LEN);
	blake2s_final(&state, key);
}

/**
 * fwg_mac_keys() - derive the MAC keys of a public key
 * @keys: the keys
 * @public_key: the public key
 */
void fwg_mac_keys(struct mac_keys *keys, const u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	fwg_derive(keys->mac1, "mac1----", public_key);
	fwg_derive(keys->cookie, "cookie--", public_key);
}

/**
 * fwg_macs_of() - find the MACs at the end of a message
 * @msg: the message
 * @len: its length, with MACs
 */
struct message_macs *fwg_macs_of(const void *msg, size_t len)
{
	return (struct message_macs *)(msg + len) - 1;
}

/**
 * fwg_mac1_compute() - compute MAC1, over the message before its MACs
 * @mac: the MAC
 * @msg: the message
 * @len: its length, with MACs
 * @keys: the receiver's MAC keys
 */
void fwg_mac1_compute(u8 mac[MESSAGE_MAC_LEN], const void *msg, size_t len,
		      const struct mac_keys *keys)
{
	blake2s(mac, msg, keys->mac1, MESSAGE_MAC_LEN, len - sizeof(struct message_macs),
		NOISE_SYMMETRIC_KEY_LEN);
}

/**
 * fwg_mac2_compute() - compute MAC2, over the message and MAC1
 * @mac: the MAC
 * @msg: the message
 * @len: its length, with MACs
 * @cookie: the cookie that the receiver gave to the sender
 */
void fwg_mac2_compute(u8 mac[MESSAGE_MAC_LEN], const void *msg, size_t len,
		      const u8 cookie[MESSAGE_MAC_LEN])
{
	blake2s(mac, msg, cookie, MESSAGE_MAC_LEN,
		len - sizeof(struct message_macs) + offsetof(struct message_macs, mac2),
		MESSAGE_MAC_LEN);
}

static bool fwg_cookie_is_fresh(const struct noise_cookie *cookie,
				const struct generation_scope *scope, u64 seconds)
{
	return cookie->birth &&
	       ktime_get_coarse_boottime_ns() - cookie->birth < seconds * NSEC_PER_SEC &&
	       fwg_generation_is_current(scope, &cookie->stamp);
}

/**
 * fwg_noise_add_macs() - add the MACs to a handshake message
 * @peer: the receiver
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
	/* The cookie must still be valid when the message arrives. */
	if (fwg_cookie_is_fresh(&peer->cookie, &peer->scope, COOKIE_TIME - COOKIE_LATENCY))
		fwg_mac2_compute(macs->mac2, msg, len, peer->cookie.secret);
	spin_unlock_bh(&peer->lock);
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
}

/**
 * fwg_noise_mac1_valid() - is MAC1 of a message valid?
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

/* Compute the cookie of a source from the current secret. */
static void fwg_make_cookie(const struct noise_local *local, const struct noise_source *source,
			    u8 cookie[MESSAGE_MAC_LEN])
{
	lockdep_assert_held(&local->lock);

	blake2s(cookie, (const u8 *)source, local->cookie_secret.secret, MESSAGE_MAC_LEN,
		sizeof(*source), NOISE_HASH_LEN);
}

/**
 * fwg_noise_mac2_valid() - is MAC2 of a message valid?
 * @local: the device that it was sent to
 * @msg: the message
 * @len: its length, with MACs
 * @source: the source address of its packet
 *
 * Context: any but hard interrupts.
 * Return: true if it was computed with a valid cookie that we sent to @source.
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
 * @msg: the message; MAC1 is valid
 * @len: its length, with MACs
 * @source: the source address of its packet
 * @out: the cookie reply to send to @source, without type and receiver index
 *
 * Context: process.
 * Return: 0; -ESTALE if the machine was forked meanwhile, and @out must not be sent;
 * -ERESTARTSYS if interrupted.
 */
int fwg_noise_give_cookie(struct noise_local *local, const void *msg, size_t len,
			  const struct noise_source *source, struct message_cookie *out)
{
	struct noise_cookie *secret = &local->cookie_secret;
	u8 cookie[MESSAGE_MAC_LEN], key[NOISE_SYMMETRIC_KEY_LEN];
	struct generation_stamp stamp;
	int err;

	/* Early in boot the RNG may not be seeded yet. */
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

	/* R2: clones must not seal different cookies under one nonce. */
	fwg_generation_draw(&stamp, out->nonce, sizeof(out->nonce));
	err = fwg_seal_cookie(out->encrypted_cookie, cookie, fwg_macs_of(msg, len)->mac1,
			      out->nonce, key, &local->scope, &stamp);
	memzero_explicit(cookie, sizeof(cookie));
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
	return err;
}

/**
 * fwg_noise_take_cookie() - accept the cookie reply of a peer that is under load
 * @local: the device that it was sent to
 * @in: the cookie reply
 *
 * Later handshake messages carry a MAC2 made with this cookie. The refused message is
 * not sent again before its timer expires. A cookie reply does not move the peer's
 * endpoint and is not counted as received.
 *
 * Context: process.
 * Return: 0; -ENOENT if it answers no message of ours, or one already answered;
 * -EBADMSG if it is not authentic; -ESTALE if the machine was forked since the
 * handshake began.
 */
int fwg_noise_take_cookie(struct noise_local *local, const struct message_cookie *in)
{
	struct noise_cookie cookie = {};
	struct noise_peer *peer = NULL;
	struct noise_session *session;
	u8 mac1[MESSAGE_MAC_LEN];
	int err = -ENOENT;

	rcu_read_lock();
	session = fwg_session_lookup(local, in->receiver_index);
	if (session && local->ops->hold(session->peer->owner)) {
		peer = session->peer;
		/* A race with retirement is harmless: the stamp is right, or never current. */
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
	/* R5: the reply answers a message of an earlier generation. */
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
