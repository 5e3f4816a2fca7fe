/* SPDX-License-Identifier: GPL-2.0 */
/*
 * messages: what goes over the wire, and the constants of the protocol
 * (WireGuard whitepaper, sections 5.4 and 6.1).
 */
#ifndef _FORKGUARD_MESSAGES_H
#define _FORKGUARD_MESSAGES_H

#include <crypto/blake2s.h>
#include <crypto/chacha20poly1305.h>
#include <crypto/curve25519.h>
#include <linux/build_bug.h>
#include <linux/types.h>

enum noise_len {
	NOISE_PUBLIC_KEY_LEN = CURVE25519_KEY_SIZE,
	NOISE_SYMMETRIC_KEY_LEN = CHACHA20POLY1305_KEY_SIZE,
	NOISE_TAG_LEN = CHACHA20POLY1305_AUTHTAG_SIZE,
	NOISE_HASH_LEN = BLAKE2S_HASH_SIZE,
	NOISE_TIMESTAMP_LEN = sizeof(u64) + sizeof(u32),
	MESSAGE_MAC_LEN = 16,
	COOKIE_NONCE_LEN = XCHACHA20POLY1305_NONCE_SIZE,
	MESSAGE_PADDING = 16,
};

/* In seconds, or in messages. */
enum protocol_limit {
	REKEY_AFTER_TIME = 120,
	REJECT_AFTER_TIME = 180,
	REKEY_TIMEOUT = 5,
	REKEY_ATTEMPT_TIME = 90,
	KEEPALIVE_TIMEOUT = 10,
	COOKIE_TIME = 120,
	COOKIE_LATENCY = 5, /* the longest that a message with a cookie may be in flight */
	INITIATIONS_PER_SECOND = 50,
	MAX_HANDSHAKE_ATTEMPTS = REKEY_ATTEMPT_TIME / REKEY_TIMEOUT,
};

#define REKEY_AFTER_MESSAGES BIT_ULL(60)
#define REJECT_AFTER_MESSAGES (U64_MAX - BIT_ULL(13))

enum message_type {
	MESSAGE_INITIATION = 1,
	MESSAGE_RESPONSE = 2,
	MESSAGE_COOKIE = 3,
	MESSAGE_DATA = 4,
};

struct message_macs {
	u8 mac1[MESSAGE_MAC_LEN];
	u8 mac2[MESSAGE_MAC_LEN];
} __packed;

struct message_initiation {
	__le32 type;
	__le32 sender_index;
	u8 ephemeral[NOISE_PUBLIC_KEY_LEN];
	u8 encrypted_static[NOISE_PUBLIC_KEY_LEN + NOISE_TAG_LEN];
	u8 encrypted_timestamp[NOISE_TIMESTAMP_LEN + NOISE_TAG_LEN];
	struct message_macs macs;
} __packed;

struct message_response {
	__le32 type;
	__le32 sender_index;
	__le32 receiver_index;
	u8 ephemeral[NOISE_PUBLIC_KEY_LEN];
	u8 encrypted_nothing[NOISE_TAG_LEN];
	struct message_macs macs;
} __packed;

struct message_cookie {
	__le32 type;
	__le32 receiver_index;
	u8 nonce[COOKIE_NONCE_LEN];
	u8 encrypted_cookie[MESSAGE_MAC_LEN + NOISE_TAG_LEN];
} __packed;

struct message_data {
	__le32 type;
	__le32 receiver_index;
	__le64 counter;
} __packed;

static_assert(sizeof(struct message_initiation) == 148);
static_assert(sizeof(struct message_response) == 92);
static_assert(sizeof(struct message_cookie) == 64);
static_assert(sizeof(struct message_data) == 16);

#endif /* _FORKGUARD_MESSAGES_H */
