/* SPDX-License-Identifier: GPL-2.0 */
/* mac: the proof that the sender of a handshake message knows who it is for. */
#ifndef _FORKGUARD_MAC_H
#define _FORKGUARD_MAC_H

#include "messages.h"

void mac_key(u8 key[NOISE_SYMMETRIC_KEY_LEN], const u8 public_key[NOISE_PUBLIC_KEY_LEN]);
void mac_add(void *msg, size_t len, const u8 key[NOISE_SYMMETRIC_KEY_LEN]);
bool __must_check mac_valid(const void *msg, size_t len, const u8 key[NOISE_SYMMETRIC_KEY_LEN]);

#endif /* _FORKGUARD_MAC_H */
