// SPDX-License-Identifier: GPL-2.0
/* identity: see identity.h. */

#include "identity.h"
#include "cookie.h"
#include "session.h"
#include "symmetric.h"

#include <crypto/algapi.h>
#include <linux/err.h>
#include <linux/slab.h>

static const struct rhashtable_params peer_params = {
	.key_len = NOISE_PUBLIC_KEY_LEN,
	.key_offset = offsetof(struct noise_peer, public_key),
	.head_offset = offsetof(struct noise_peer, node),
	.automatic_shrinking = true,
};

/* Find a peer by public key, and take a reference on its owner; or NULL. */
struct noise_peer *fwg_identity_hold(struct noise_local *local,
				     const u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	struct noise_peer *peer;

	rcu_read_lock();
	peer = rhashtable_lookup(&local->peers, public_key, peer_params);
	if (peer && !local->ops->hold(peer->owner))
		peer = NULL;
	rcu_read_unlock();
	return peer;
}

/* Copy the identity of a device for one handshake. */
int __must_check fwg_copy_identity(struct noise_local *local, struct noise_handshake *hs,
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

/*
 * The Diffie-Hellman of the two static keys: the device's, as of @hs->identity, and
 * the peer's. Every handshake needs it, and so does a forged initiation, which anybody
 * who knows both public keys can make. The first handshake caches it for later ones.
 */
int __must_check fwg_static_static(struct noise_peer *peer, const struct noise_handshake *hs,
				   const u8 private_key[NOISE_PUBLIC_KEY_LEN],
				   u8 shared[NOISE_PUBLIC_KEY_LEN])
{
	bool known, ok;

	spin_lock_bh(&peer->lock);
	known = peer->static_static_of == hs->identity;
	ok = peer->static_static_ok;
	memcpy(shared, peer->static_static, NOISE_PUBLIC_KEY_LEN);
	spin_unlock_bh(&peer->lock);
	if (known)
		return ok ? 0 : -EKEYREJECTED;

	ok = curve25519(shared, private_key, peer->public_key);
	spin_lock_bh(&peer->lock);
	/* If the identity has changed, fwg_noise_peer_clear() may already have run. */
	if (READ_ONCE(peer->local->identity) == hs->identity) {
		peer->static_static_of = hs->identity;
		peer->static_static_ok = ok;
		memcpy(peer->static_static, shared, NOISE_PUBLIC_KEY_LEN);
	}
	spin_unlock_bh(&peer->lock);
	return ok ? 0 : -EKEYREJECTED;
}

/**
 * fwg_noise_local_create() - create a device without identity and peers
 * @ops: how to take references on the owners of its peers
 *
 * Context: process.
 * Return: the device, or an error pointer.
 */
struct noise_local *fwg_noise_local_create(const struct noise_owner_ops *ops)
{
	struct noise_local *local = kzalloc(sizeof(*local), GFP_KERNEL_ACCOUNT);
	int err;

	if (!local)
		return ERR_PTR(-ENOMEM);
	local->scope.parent = &generation_root;
	local->ops = ops;
	spin_lock_init(&local->lock);
	err = rhashtable_init(&local->peers, &peer_params);
	if (err)
		goto err_free;
	err = fwg_sessions_init(local);
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
 * fwg_noise_local_set_private_key() - set or remove the identity of a device
 * @local: the device
 * @private_key: the key; all zeros to remove it
 *
 * Pending handshakes fail. The caller must then call fwg_noise_peer_clear() for each
 * peer: until it does, sessions stay, and so does what was computed with the old key.
 *
 * Context: process.
 */
void fwg_noise_local_set_private_key(struct noise_local *local,
				     const u8 private_key[NOISE_PUBLIC_KEY_LEN])
{
	u8 clamped[NOISE_PUBLIC_KEY_LEN] = {}, public_key[NOISE_PUBLIC_KEY_LEN] = {};
	struct mac_keys mac_keys;
	bool ok;

	ok = crypto_memneq(private_key, curve25519_null_point, NOISE_PUBLIC_KEY_LEN);
	if (ok) {
		memcpy(clamped, private_key, NOISE_PUBLIC_KEY_LEN);
		curve25519_clamp_secret(clamped);
		ok = curve25519_generate_public(public_key, clamped);
	}
	fwg_mac_keys(&mac_keys, public_key);

	spin_lock_bh(&local->lock);
	local->has_identity = ok;
	memcpy(local->private_key, clamped, NOISE_PUBLIC_KEY_LEN);
	memcpy(local->public_key, public_key, NOISE_PUBLIC_KEY_LEN);
	local->mac_keys = mac_keys;
	WRITE_ONCE(local->identity, local->identity + 1);
	spin_unlock_bh(&local->lock);
	memzero_explicit(clamped, sizeof(clamped));
	fwg_wipe_stack(HANDSHAKE_STACK_KIB);
}

/**
 * fwg_noise_local_identity() - get the keys of a device
 * @local: the device
 * @private_key: the private key, to show it to the administrator; may be NULL
 * @public_key: the public key
 *
 * Context: process.
 * Return: false if the device has no identity.
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
 * fwg_noise_local_scope() - get the scope of all secrets of a device
 * @local: the device
 */
struct generation_scope *fwg_noise_local_scope(struct noise_local *local)
{
	return &local->scope;
}

/**
 * fwg_noise_local_reset() - wipe the cookie secret of a device if it is stale (R6)
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
 * fwg_noise_peer_create() - create a peer
 * @local: the device
 * @owner: the owner, which fwg_noise_respond() and others return
 * @public_key: its public key
 * @psk: the preshared key, or NULL for none
 *
 * Context: process.
 * Return: the peer, or NULL. Lookups do not find it before fwg_noise_peer_publish().
 */
struct noise_peer *fwg_noise_peer_create(struct noise_local *local, struct fwg_peer *owner,
					 const u8 public_key[NOISE_PUBLIC_KEY_LEN], const u8 *psk)
{
	struct noise_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL_ACCOUNT);

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
 * fwg_noise_peer_publish() - let handshakes find a peer
 * @peer: the peer; its owner is complete
 *
 * Context: process.
 * Return: 0; -EEXIST if another peer has this public key; -ENOMEM.
 */
int fwg_noise_peer_publish(struct noise_peer *peer)
{
	return rhashtable_lookup_insert_fast(&peer->local->peers, &peer->node, peer_params);
}

/**
 * fwg_noise_peer_clear() - wipe the handshake and the sessions of a peer, its
 *	cookie, and the Diffie-Hellman of the static keys
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
	peer->static_static_of = 0;
	memzero_explicit(peer->static_static, sizeof(peer->static_static));
	for (i = 0; i < SLOTS; i++) {
		session = fwg_in_slot(peer, i);
		RCU_INIT_POINTER(peer->slots[i], NULL);
		fwg_session_retire(session);
	}
	spin_unlock_bh(&peer->lock);
}

/**
 * fwg_noise_peer_remove() - hide a peer from handshakes, and wipe its secrets
 * @peer: the peer; it stays in memory until fwg_noise_peer_free()
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
	memzero_explicit(peer->static_static, sizeof(peer->static_static));
	memzero_explicit(peer->psk, sizeof(peer->psk));
	memzero_explicit(&peer->cookie, sizeof(peer->cookie));
	kfree_rcu(peer, rcu);
}

/**
 * fwg_noise_peer_find() - find a peer by its public key
 * @local: the device
 * @public_key: the public key
 *
 * Context: any.
 * Return: the owner, with a reference, or NULL.
 */
struct fwg_peer *fwg_noise_peer_find(struct noise_local *local,
				     const u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	struct noise_peer *peer = fwg_identity_hold(local, public_key);

	return peer ? peer->owner : NULL;
}

/**
 * fwg_noise_peer_public_key() - get the public key of a peer
 * @peer: the peer
 */
const u8 *fwg_noise_peer_public_key(const struct noise_peer *peer)
{
	return peer->public_key;
}

/**
 * fwg_noise_peer_set_psk() - set the preshared key for later handshakes
 * @peer: the peer
 * @psk: the key; all zeros for none
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
 * fwg_noise_peer_psk() - get the preshared key, to show it to the administrator
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
 * fwg_noise_peer_scope() - get the scope of all secrets shared with a peer
 * @peer: the peer
 */
struct generation_scope *fwg_noise_peer_scope(struct noise_peer *peer)
{
	return &peer->scope;
}

/**
 * fwg_noise_peer_draw() - draw random bytes that differ between clones
 * @peer: the peer whose scope they are stamped with
 * @out: the bytes
 * @len: how many, at most 32
 *
 * Context: any.
 */
void fwg_noise_peer_draw(struct noise_peer *peer, void *out, size_t len)
{
	struct generation_stamp stamp = fwg_generation_read(&peer->scope);

	fwg_generation_draw(&stamp, out, len);
}

/**
 * fwg_noise_peer_reset() - wipe all stale secrets of a peer (R6)
 * @peer: the peer
 *
 * Secrets of the running generation stay (R7).
 *
 * Context: any but hard interrupts.
 * Return: what was wiped.
 */
enum noise_wiped fwg_noise_peer_reset(struct noise_peer *peer)
{
	enum noise_wiped wiped = NOISE_WIPED_NOTHING;
	struct noise_session *session;
	bool replaced = false, unused;
	enum slot i;

	spin_lock_bh(&peer->lock);
	if (!fwg_generation_is_current(&peer->scope, &peer->cookie.stamp))
		memzero_explicit(&peer->cookie, sizeof(peer->cookie));
	if (peer->pending && !fwg_generation_is_current(&peer->scope, &peer->handshake.stamp)) {
		fwg_retire_pending(peer);
		wiped = NOISE_WIPED_LIVE;
	}
	for (i = 0; i < SLOTS; i++) {
		session = fwg_in_slot(peer, i);
		if (!session)
			continue;
		if (fwg_generation_is_current(&peer->scope, &session->stamp)) {
			/*
			 * A session in SLOT_NEXT does not count: the initiator may have
			 * accepted a sibling's response and never use ours.
			 */
			replaced |= i == SLOT_CURRENT;
			continue;
		}
		unused = i == SLOT_PREVIOUS || i == SLOT_OLD ||
			 fwg_older_than(session, REJECT_AFTER_TIME);
		wiped = max(wiped, unused ? NOISE_WIPED_OLD : NOISE_WIPED_LIVE);
		RCU_INIT_POINTER(peer->slots[i], NULL);
		fwg_session_retire(session);
	}
	if (replaced)
		wiped = min(wiped, NOISE_WIPED_OLD);
	else if (peer->pending)
		wiped = min(wiped, NOISE_WIPED_BEGUN);
	spin_unlock_bh(&peer->lock);
	return wiped;
}
