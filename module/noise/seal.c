// SPDX-License-Identifier: GPL-2.0
/*
 * seal: the one door from plaintext to the wire.
 *
 * The guarantee: no two machines that share a past ever encrypt two different
 * messages under one key and one nonce, the first instruction after a fork
 * included. This file is where it is kept. Everything that forkguard encrypts
 * is encrypted by fwg_seal() or fwg_seal_cookie(): data and keepalives, both
 * fields of an initiation, responses, cookie replies.
 *
 * The argument. A key carries the stamp of the generation in which its secret
 * was drawn. Each function encrypts, then reads the stamp again and compares.
 * Only if it is still current does the caller get the ciphertext. A machine can
 * be forked
 *
 *   - before that comparison: the new generation ID is in memory before any of
 *     the clones executes another instruction, so each of them finds the stamp
 *     stale, wipes what it has and returns -ESTALE. It does not matter how much
 *     was encrypted, or whether the clones took one nonce for different packets;
 *   - after it: the last byte of the ciphertext was written before the fork.
 *     What the clones send under this key and nonce is the same message, which
 *     tells nobody more than if it had been sent once.
 *
 * There is no third case. A fork falls between two instructions of a CPU, and
 * all CPUs of a machine are forked at once. So the program order of one CPU is
 * what counts, and the compiler barrier in fwg_generation_is_current() keeps it.
 * A check before encrypting could not do this: it says nothing about a fork that
 * comes while the packet is being encrypted.
 *
 * The argument rests on
 *
 *   - the hypervisor: it changes the ID before a restored machine runs, and never
 *     gives one ID to two machines with a common past;
 *   - the stamp having been read before the first random byte of the secret was
 *     drawn, and having been hashed into it (fwg_generation_draw()): new keys of
 *     two clones differ, even before the kernel's RNG was reseeded;
 *   - no nonce being used twice within one generation: the counter of a session
 *     is fetched and incremented in one atomic operation and stops at its limit,
 *     and each key of a handshake encrypts once;
 *   - sessions being revoked before they are wiped (fwg_session_retire()): who
 *     encrypts with a key that is just being wiped finds its stamp stale, too;
 *   - an AEAD that is sound while nonces are unique.
 *
 * In both functions the check must stay the last thing that is done.
 */

#include "seal.h"
#include "session.h"
#include "symmetric.h"

#include <linux/scatterlist.h>

/*
 * fwg_seal() - encrypt with ChaCha20-Poly1305, in place
 *
 * @sg holds @len bytes of plaintext and room for the tag behind them. 0, or
 * -ESTALE, and then @sg is wiped.
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
 * @out has room for the tag. 0, or -ESTALE, and then @out is wiped.
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
 * @sg: the plaintext, encrypted in place, and room for the tag behind it
 * @len: of the plaintext, padded
 * @header: filled in
 *
 * Context: RCU read-side critical section, BHs disabled.
 * Return: 0; -EAGAIN if the session is of no use: the plaintext is unchanged and
 * may be sent with another; -ESTALE if meanwhile the machine was forked or the
 * session ended: the plaintext is wiped.
 */
int fwg_noise_seal(struct noise_session *session, struct scatterlist *sg, size_t len,
		   struct message_data *header)
{
	u64 nonce;

	if (unlikely(!fwg_noise_session_usable(session)))
		return -EAGAIN;
	/* It stops at the limit, however many try, and so never wraps. */
	nonce = atomic64_fetch_add_unless(&session->nonce, 1, REJECT_AFTER_MESSAGES);
	if (unlikely(nonce >= REJECT_AFTER_MESSAGES))
		return -EAGAIN;

	header->type = cpu_to_le32(MESSAGE_DATA);
	header->receiver_index = session->remote_index;
	header->counter = cpu_to_le64(nonce);
	return fwg_seal(sg, len, NULL, 0, nonce, session->send_key, &session->peer->scope,
			&session->stamp);
}
