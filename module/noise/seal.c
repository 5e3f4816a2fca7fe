// SPDX-License-Identifier: GPL-2.0
/*
 * seal: the one door from plaintext to the wire.
 *
 * The guarantee: no two machines that share a past ever encrypt two different
 * messages under one key and one nonce, from the first instruction after a fork.
 * This file keeps it. Everything that forkguard encrypts is encrypted by fwg_seal()
 * or fwg_seal_cookie(): data and keepalives, both fields of an initiation,
 * responses, cookie replies.
 *
 * The argument. A key carries the stamp of the generation in which its secret
 * was drawn. Each function encrypts, then compares this stamp with the running
 * generation. The caller gets the ciphertext only if the stamp is still current.
 * A machine can be forked
 *
 *   - before that comparison: the new generation ID is in memory before any of
 *     the clones executes another instruction, so each of them finds the stamp
 *     stale, wipes the ciphertext and returns -ESTALE. It does not matter how much
 *     was encrypted, or whether the clones used one nonce for different packets;
 *   - after it: the last byte of the ciphertext was written before the fork.
 *     The clones send the same message under this key and nonce, which reveals
 *     no more than sending it once.
 *
 * There is no third case. A fork falls between two instructions of a CPU, and
 * all CPUs of a machine are forked at once. So what counts is the program order of
 * one CPU, which the compiler barrier in fwg_generation_is_current() keeps.
 * A check before encryption would not be enough: it would miss a fork during
 * encryption.
 *
 * The argument rests on
 *
 *   - the hypervisor: it changes the ID before a restored machine runs, and never
 *     gives one ID to two machines with a common past;
 *   - the stamp: it is read before the first random byte of the secret is drawn,
 *     and is hashed into it (fwg_generation_draw()). So new keys of two clones
 *     differ, even before the kernel's RNG is reseeded;
 *   - nonces: none is used twice within one generation. The counter of a session
 *     is fetched and incremented in one atomic operation and stops at its limit,
 *     and each key of a handshake encrypts once;
 *   - revocation: the stamp of a session is revoked before its keys are wiped
 *     (fwg_session_retire()). So encryption with a key that is being wiped finds
 *     the stamp stale, too;
 *   - the AEAD: it is sound while nonces are unique.
 *
 * In both functions the check must stay the last step.
 */

#include "seal.h"
#include "session.h"
#include "symmetric.h"

#include <linux/scatterlist.h>

/*
 * fwg_seal() - encrypt with ChaCha20-Poly1305, in place
 *
 * @sg holds @len bytes of plaintext, and room for the tag after them. Returns 0; or
 * -ESTALE with @sg wiped.
 */
int __must_check fwg_seal(struct scatterlist *sg, size_t len, const u8 *ad, size_t ad_len,
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
 * fwg_seal_cookie() - the same for cookies, with XChaCha20-Poly1305
 *
 * @out has room for the tag. Returns 0; or -ESTALE with @out wiped.
 */
int __must_check fwg_seal_cookie(u8 *out, const u8 cookie[MESSAGE_MAC_LEN],
				 const u8 mac1[MESSAGE_MAC_LEN], const u8 nonce[COOKIE_NONCE_LEN],
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

/**
 * fwg_noise_seal() - encrypt a data message
 * @session: the session
 * @sg: the plaintext, encrypted in place, and room for the tag after it
 * @len: length of the padded plaintext
 * @header: filled in
 *
 * Context: RCU read-side critical section, BHs disabled.
 * Return: 0; -EAGAIN if the session is not usable: the plaintext is unchanged and
 * can be sent in another; -ESTALE if the machine was forked or the session ended
 * meanwhile: @sg is wiped.
 */
int fwg_noise_seal(struct noise_session *session, struct scatterlist *sg, size_t len,
		   struct message_data *header)
{
	u64 nonce;

	if (unlikely(!fwg_noise_session_usable(session)))
		return -EAGAIN;
	/* The counter stops at the limit, and so never wraps. */
	nonce = atomic64_fetch_add_unless(&session->nonce, 1, REJECT_AFTER_MESSAGES);
	if (unlikely(nonce >= REJECT_AFTER_MESSAGES))
		return -EAGAIN;

	header->type = cpu_to_le32(MESSAGE_DATA);
	header->receiver_index = session->remote_index;
	header->counter = cpu_to_le64(nonce);
	return fwg_seal(sg, len, NULL, 0, nonce, session->send_key, &session->peer->scope,
			&session->stamp);
}
