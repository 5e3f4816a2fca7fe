/* SPDX-License-Identifier: GPL-2.0 */
/* identity: devices and peers, their static keys, and resetting them. */
#ifndef _FORKGUARD_NOISE_IDENTITY_H
#define _FORKGUARD_NOISE_IDENTITY_H

#include "private.h"

struct noise_peer *fwg_identity_hold(struct noise_local *local,
				     const u8 public_key[NOISE_PUBLIC_KEY_LEN]);
int __must_check fwg_copy_identity(struct noise_local *local, struct noise_handshake *hs,
				   u8 private_key[NOISE_PUBLIC_KEY_LEN],
				   u8 public_key[NOISE_PUBLIC_KEY_LEN]);
int __must_check fwg_static_static(struct noise_peer *peer, const struct noise_handshake *hs,
				   const u8 private_key[NOISE_PUBLIC_KEY_LEN],
				   u8 shared[NOISE_PUBLIC_KEY_LEN]);

#endif /* _FORKGUARD_NOISE_IDENTITY_H */
