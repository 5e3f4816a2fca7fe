/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pattern: the messages of Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, token by token
 * (Noise specification, chapters 5, 7 and 9).
 */
#ifndef _FORKGUARD_NOISE_PATTERN_H
#define _FORKGUARD_NOISE_PATTERN_H

#include "private.h"

int __must_check fwg_decrypt_and_hash(struct noise_handshake *hs, u8 *out, const u8 *in,
				      size_t len);
void fwg_handshake_begin(struct noise_handshake *hs, const u8 *prologue, size_t len,
			 const u8 responder[NOISE_PUBLIC_KEY_LEN]);
int __must_check fwg_draw_ephemeral(struct noise_handshake *hs,
				    u8 public_key[NOISE_PUBLIC_KEY_LEN]);
int __must_check fwg_write_initiation(struct noise_handshake *hs,
				      const struct generation_scope *scope,
				      const u8 public_key[NOISE_PUBLIC_KEY_LEN],
				      const u8 responder[NOISE_PUBLIC_KEY_LEN],
				      const u8 static_static[NOISE_PUBLIC_KEY_LEN], u8 *ephemeral,
				      u8 *encrypted_static, u8 *encrypted_payload,
				      const u8 *payload, size_t len);
int __must_check fwg_write_response(struct noise_handshake *hs,
				    const struct generation_scope *scope,
				    const u8 initiator[NOISE_PUBLIC_KEY_LEN],
				    const u8 initiator_ephemeral[NOISE_PUBLIC_KEY_LEN],
				    const u8 psk[NOISE_SYMMETRIC_KEY_LEN], u8 *ephemeral,
				    u8 *encrypted_payload, const u8 *payload, size_t len);
int __must_check fwg_read_response(struct noise_handshake *hs,
				   const u8 private_key[NOISE_PUBLIC_KEY_LEN],
				   const u8 psk[NOISE_SYMMETRIC_KEY_LEN], const u8 *ephemeral,
				   u8 *payload, const u8 *encrypted_payload, size_t len);
void fwg_split(struct noise_keys *keys, const struct noise_handshake *hs);

#endif /* _FORKGUARD_NOISE_PATTERN_H */
