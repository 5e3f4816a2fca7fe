/* SPDX-License-Identifier: GPL-2.0 */
/*
 * private: the types behind noise.h. Only files of this folder include it or one of
 * the other headers here. The files of the folder in their order; each includes
 * headers of those below it, none of those above:
 *
 *	handshake	initiate, respond, finish
 *	pattern		the messages of Noise_IKpsk2: ephemerals, static keys, payloads
 *	identity	devices and peers: create, keys, remove, reset
 *	cookie		MAC1, MAC2 and cookies
 *	seal		the one door from plaintext to the wire: the guarantee
 *	session		slots, index table, retirement, opening
 *	replay		which counters have been received
 *	symmetric	hash, HKDF, mixing, wiping the stack
 *
 * Locking: noise_peer.lock guards the handshake and which session is in which
 * slot; noise_local.lock guards the identity. Neither is held during a
 * Diffie-Hellman: handshakes are computed on the stack and put into place at the
 * end, so that a reset never waits for one. Sessions are freed by RCU.
 */
#ifndef _FORKGUARD_NOISE_PRIVATE_H
#define _FORKGUARD_NOISE_PRIVATE_H

#include "generation.h"
#include "noise.h"
#include "replay.h"

#include <linux/atomic.h>
#include <linux/ktime.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>
#include <linux/time64.h>

/**
 * struct mac_keys - what everybody can compute who knows an identity
 * @mac1: of MAC1 in messages to that identity
 * @cookie: of the cookie replies that come from it
 */
struct mac_keys {
	u8 mac1[NOISE_SYMMETRIC_KEY_LEN];
	u8 cookie[NOISE_SYMMETRIC_KEY_LEN];
};

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
	bool crossed; /* if pending: we have answered the peer since it began */
	atomic_t responses; /* so many may still come for a pending one, under load */
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
	SLOT_OLD, /* the one before two whose handshakes crossed; see fwg_establish() */
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
	bool yields; /* of two crossed sessions, sends with the one that the peer uses */
	bool static_static_ok; /* false for a public key of low order */
	u32 static_static_of; /* the identity that it was computed for; 0 for none */
	u8 static_static[NOISE_PUBLIC_KEY_LEN];
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

#endif /* _FORKGUARD_NOISE_PRIVATE_H */
