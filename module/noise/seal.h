/* SPDX-License-Identifier: GPL-2.0 */
/* seal: the one door from plaintext to the wire. */
#ifndef _FORKGUARD_NOISE_SEAL_H
#define _FORKGUARD_NOISE_SEAL_H

#include "private.h"

int __must_check fwg_seal(struct scatterlist *sg, size_t len, const u8 *ad, size_t ad_len,
			  u64 nonce, const u8 key[NOISE_SYMMETRIC_KEY_LEN],
			  const struct generation_scope *scope,
			  const struct generation_stamp *stamp);
int __must_check fwg_seal_cookie(u8 *out, const u8 cookie[MESSAGE_MAC_LEN],
				 const u8 mac1[MESSAGE_MAC_LEN], const u8 nonce[COOKIE_NONCE_LEN],
				 const u8 key[NOISE_SYMMETRIC_KEY_LEN],
				 const struct generation_scope *scope,
				 const struct generation_stamp *stamp);

#endif /* _FORKGUARD_NOISE_SEAL_H */
