/* SPDX-License-Identifier: GPL-2.0 */
/*
 * noise: every secret of a tunnel, and all that is computed with one.
 *
 * Handshakes (Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s as in the WireGuard
 * whitepaper, section 5.4) and the sessions that they establish. All types are
 * opaque. The only secrets that leave this layer are private and preshared keys, when
 * the administrator asks for them. The functions that return ciphertext are
 * fwg_noise_initiate(), fwg_noise_respond(), fwg_noise_seal() and
 * fwg_noise_give_cookie(). They all encrypt in noise/seal.c, which keeps the
 * guarantee. Other layers include no other header of noise.
 *
 * Sessions are found and used within one RCU read-side critical section.
 */
#ifndef _FORKGUARD_NOISE_H
#define _FORKGUARD_NOISE_H

#include "messages.h"

#include <linux/in6.h>

struct fwg_peer;
struct generation_scope;
struct noise_local;
struct noise_peer;
struct noise_session;
struct scatterlist;

/**
 * struct noise_owner_ops - references on the owner of a noise_peer
 * @hold: take a reference; false if the owner is going away
 * @release: give it back
 */
struct noise_owner_ops {
	bool (*hold)(struct fwg_peer *owner);
	void (*release)(struct fwg_peer *owner);
};

/**
 * struct noise_source - the source address of a handshake message
 * @addr: the address; an IPv4 address is v4-mapped
 * @port: the port
 */
struct noise_source {
	struct in6_addr addr;
	__be16 port;
} __packed;

/**
 * enum noise_wiped - what fwg_noise_peer_reset() has wiped
 * @NOISE_WIPED_NOTHING: nothing
 * @NOISE_WIPED_OLD: only sessions out of use, or sessions that already have a
 *	successor in the running generation
 * @NOISE_WIPED_BEGUN: a session in use; the handshake for a successor has begun
 * @NOISE_WIPED_LIVE: a session in use, or a pending handshake
 */
enum noise_wiped {
	NOISE_WIPED_NOTHING,
	NOISE_WIPED_OLD,
	NOISE_WIPED_BEGUN,
	NOISE_WIPED_LIVE,
};

/* The identity of a device, and its peers and sessions. */
struct noise_local *fwg_noise_local_create(const struct noise_owner_ops *ops);
void fwg_noise_local_destroy(struct noise_local *local);
void fwg_noise_local_set_private_key(struct noise_local *local,
				     const u8 private_key[NOISE_PUBLIC_KEY_LEN]);
bool fwg_noise_local_identity(struct noise_local *local, u8 private_key[NOISE_PUBLIC_KEY_LEN],
			      u8 public_key[NOISE_PUBLIC_KEY_LEN]);
struct generation_scope *fwg_noise_local_scope(struct noise_local *local);
void fwg_noise_local_reset(struct noise_local *local);

/* One peer of a device: its identity, its handshake and its sessions. */
struct noise_peer *fwg_noise_peer_create(struct noise_local *local, struct fwg_peer *owner,
					 const u8 public_key[NOISE_PUBLIC_KEY_LEN], const u8 *psk);
int __must_check fwg_noise_peer_publish(struct noise_peer *peer);
void fwg_noise_peer_remove(struct noise_peer *peer);
void fwg_noise_peer_free(struct noise_peer *peer);
struct fwg_peer *fwg_noise_peer_find(struct noise_local *local,
				     const u8 public_key[NOISE_PUBLIC_KEY_LEN]);
const u8 *fwg_noise_peer_public_key(const struct noise_peer *peer);
void fwg_noise_peer_set_psk(struct noise_peer *peer, const u8 psk[NOISE_SYMMETRIC_KEY_LEN]);
void fwg_noise_peer_psk(struct noise_peer *peer, u8 psk[NOISE_SYMMETRIC_KEY_LEN]);
struct generation_scope *fwg_noise_peer_scope(struct noise_peer *peer);
void fwg_noise_peer_draw(struct noise_peer *peer, void *out, size_t len);
void fwg_noise_peer_clear(struct noise_peer *peer);
enum noise_wiped fwg_noise_peer_reset(struct noise_peer *peer);
bool fwg_noise_peer_has_session(struct noise_peer *peer);
bool fwg_noise_peer_has_begun(struct noise_peer *peer);

/* Handshakes. */
int __must_check fwg_noise_initiate(struct noise_peer *peer, struct message_initiation *msg);
int __must_check fwg_noise_respond(struct noise_local *local, const struct message_initiation *in,
				   struct message_response *out, struct fwg_peer **owner);
int __must_check fwg_noise_finish(struct noise_local *local, const struct message_response *in,
				  struct fwg_peer **owner);
bool fwg_noise_response_expected(struct noise_local *local, const struct message_response *in);

/* The MACs of handshake messages, and cookies. */
void fwg_noise_add_macs(struct noise_peer *peer, void *msg, size_t len);
bool __must_check fwg_noise_mac1_valid(struct noise_local *local, const void *msg, size_t len);
bool __must_check fwg_noise_mac2_valid(struct noise_local *local, const void *msg, size_t len,
				       const struct noise_source *source);
int __must_check fwg_noise_give_cookie(struct noise_local *local, const void *msg, size_t len,
				       const struct noise_source *source,
				       struct message_cookie *out);
int fwg_noise_take_cookie(struct noise_local *local, const struct message_cookie *in);

/* Sessions. */
struct noise_session *fwg_noise_session_current(struct noise_peer *peer);
struct noise_session *fwg_noise_session_find(struct noise_local *local, __le32 index);
struct fwg_peer *fwg_noise_session_owner(const struct noise_session *session);
bool fwg_noise_session_usable(const struct noise_session *session);
bool fwg_noise_session_confirm(struct noise_session *session);
bool fwg_noise_session_old_to_send(const struct noise_session *session);
bool fwg_noise_session_old_to_receive(const struct noise_session *session);
int __must_check fwg_noise_seal(struct noise_session *session, struct scatterlist *sg, size_t len,
				struct message_data *header);
int __must_check fwg_noise_open(struct noise_session *session, struct scatterlist *sg, size_t len,
				const struct message_data *header);

#endif /* _FORKGUARD_NOISE_H */
