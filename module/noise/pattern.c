// SPDX-License-Identifier: GPL-2.0
/* pattern: see pattern.h. */

#include "pattern.h"
#include "seal.h"
#include "symmetric.h"

#include <linux/scatterlist.h>
#include <linux/string.h>

static const u8 construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";

/* @out has room for the tag. It must not be on a stack: a scatterlist maps it. */
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

int __must_check fwg_decrypt_and_hash(struct noise_handshake *hs, u8 *out, const u8 *in, size_t len)
{
	if (!chacha20poly1305_decrypt(out, in, len, hs->hash, NOISE_HASH_LEN, 0, hs->key))
		return -EBADMSG;
	fwg_mix_hash(hs, in, len);
	return 0;
}

void fwg_handshake_begin(struct noise_handshake *hs, const u8 *prologue, size_t len,
			 const u8 responder[NOISE_PUBLIC_KEY_LEN])
{
	blake2s(hs->chaining_key, construction, NULL, NOISE_HASH_LEN, sizeof(construction) - 1, 0);
	memcpy(hs->hash, hs->chaining_key, NOISE_HASH_LEN);
	fwg_mix_hash(hs, prologue, len);
	fwg_mix_hash(hs, responder, NOISE_PUBLIC_KEY_LEN);
}

/* Draw an ephemeral key. The stamp of the handshake was read before (R1). */
int __must_check fwg_draw_ephemeral(struct noise_handshake *hs, u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	fwg_generation_draw(&hs->stamp, hs->ephemeral_private, NOISE_PUBLIC_KEY_LEN);
	curve25519_clamp_secret(hs->ephemeral_private);
	return curve25519_generate_public(public_key, hs->ephemeral_private) ? 0 : -EKEYREJECTED;
}

/* The first message: e, es, s, ss, payload. */
int __must_check fwg_write_initiation(struct noise_handshake *hs,
				      const struct generation_scope *scope,
				      const u8 public_key[NOISE_PUBLIC_KEY_LEN],
				      const u8 responder[NOISE_PUBLIC_KEY_LEN],
				      const u8 static_static[NOISE_PUBLIC_KEY_LEN], u8 *ephemeral,
				      u8 *encrypted_static, u8 *encrypted_payload,
				      const u8 *payload, size_t len)
{
	int err;

	fwg_mix_ephemeral(hs, ephemeral);
	err = fwg_mix_dh(hs, hs->ephemeral_private, responder);
	if (err)
		return err;
	err = fwg_encrypt_and_hash(hs, scope, encrypted_static, public_key, NOISE_PUBLIC_KEY_LEN);
	if (err)
		return err;
	fwg_mix_shared(hs, static_static);
	return fwg_encrypt_and_hash(hs, scope, encrypted_payload, payload, len);
}

/* The second message: e, ee, se, psk, payload. */
int __must_check fwg_write_response(struct noise_handshake *hs,
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

int __must_check fwg_read_response(struct noise_handshake *hs,
				   const u8 private_key[NOISE_PUBLIC_KEY_LEN],
				   const u8 psk[NOISE_SYMMETRIC_KEY_LEN], const u8 *ephemeral,
				   u8 *payload, const u8 *encrypted_payload, size_t len)
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

void fwg_split(struct noise_keys *keys, const struct noise_handshake *hs)
{
	fwg_kdf((u8 *const[]){ keys->initiator, keys->responder }, 2, hs->chaining_key, NULL, 0);
}
