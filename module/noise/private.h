/* SPDX-License-Identifier: GPL-2.0 */
/*
 * private: the types behind noise.h. No other layer includes this header or another
 * header of this folder. The files of the folder are layers, too: each includes only
 * headers of those below it.
 *
 *	handshake	initiate, respond, finish
 *	pattern		the messages of Noise_IKpsk2, token by token
 *	identity	devices and peers: creation, keys, removal, reset
 *	cookie		MAC1, MAC2 and cookies
 *	seal		the one door from plaintext to the wire: the guarantee
 *	session		slots, index table, retirement, opening
 *	replay		which counters have been received
 *	symmetric	hash, HKDF, mixing, wiping the stack
 *
 * Locking: noise_peer.lock guards the handshake and the slots of the sessions;
 * noise_local.lock guards the identity. Neither is held during a Diffie-Hellman:
 * a handshake is computed on the stack and stored at the end, so that a reset never
 * waits for one. Sessions are freed by RCU.
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
 * struct mac_keys - keys that anybody who knows a public key can compute
 * @mac1: for MAC1 of messages to its owner
 * @cookie: for cookie replies from its owner
 */
struct mac_keys {
	u8 mac1[NOISE_SYMMETRIC_KEY_LEN];
	u8 cookie[NOISE_SYMMETRIC_KEY_LEN];
};

/* A cookie, or the secret that cookies are made with; valid for COOKIE_TIME in one generation. */
struct noise_cookie {
	struct generation_stamp stamp;
	u64 birth; /* coarse boot time, ns; 0 for no cookie */
	u8 secret[NOISE_HASH_LEN];
};

struct noise_local {
	struct generation_scope scope;
	const struct noise_owner_ops *ops;
	struct rhashtable peers; /* by public key */
	struct rhashtable sessions; /* by index; includes those of pending handshakes */

	spinlock_t lock; /* guards all below */
	bool has_identity;
	u32 identity; /* counts private keys; tells one from the next */
	u8 private_key[NOISE_PUBLIC_KEY_LEN];
	u8 public_key[NOISE_PUBLIC_KEY_LEN];
	struct mac_keys mac_keys;
	struct noise_cookie cookie_secret; /* for the cookies that we send */
};

/* The state of a handshake: between two messages, or on the stack during one. */
struct noise_handshake {
	struct generation_stamp stamp;
	u32 identity;
	u8 hash[NOISE_HASH_LEN];
	u8 chaining_key[NOISE_HASH_LEN];
	u8 key[NOISE_SYMMETRIC_KEY_LEN];
	u8 ephemeral_private[NOISE_PUBLIC_KEY_LEN];
};

/* The two keys of a session: the initiator sends with one, the responder with the other. */
struct noise_keys {
	u8 initiator[NOISE_SYMMETRIC_KEY_LEN];
	u8 responder[NOISE_SYMMETRIC_KEY_LEN];
};

/*
 * A session is created with the first message of a handshake, to reserve its index.
 * It gets its keys, and a slot of its peer, when it is @established.
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
	bool crossed; /* an initiation of the peer was answered while this was pending */
	atomic_t responses; /* while pending: how many more are expected */
	u8 send_key[NOISE_SYMMETRIC_KEY_LEN];
	u8 receive_key[NOISE_SYMMETRIC_KEY_LEN];
	atomic64_t nonce;
	struct replay_window replay;
	struct rcu_head rcu;
};

/* Data is sent only in the current session, and received in any. */
enum slot {
	SLOT_CURRENT,
	SLOT_PREVIOUS,
	SLOT_NEXT, /* as responder: waits for the initiator to use it */
	SLOT_OLD, /* the current one before two handshakes crossed; see fwg_establish() */
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
	bool yields; /* after a crossing: send in the session that the peer uses */
	bool static_static_ok; /* false for a public key of low order */
	u32 static_static_of; /* the identity for which it was computed; 0 for none */
	u8 static_static[NOISE_PUBLIC_KEY_LEN];
	u8 psk[NOISE_SYMMETRIC_KEY_LEN];
	struct timespec64 last_claimed; /* timestamp of our latest initiation */
	u8 last_timestamp[NOISE_TIMESTAMP_LEN]; /* ... and of the peer's */
	u64 last_initiation; /* when the peer's arrived: coarse boot time, ns */
	bool mac1_sent; /* last_mac1 was sent, and no cookie reply has answered it */
	u8 last_mac1[MESSAGE_MAC_LEN];
	struct noise_cookie cookie; /* from the peer */
	struct noise_handshake handshake; /* the one that we initiated */
	struct noise_session *pending; /* its session, without keys yet; or NULL */
	struct noise_session __rcu *slots[SLOTS];
	struct rcu_head rcu;
};

#endif /* _FORKGUARD_NOISE_PRIVATE_H */
