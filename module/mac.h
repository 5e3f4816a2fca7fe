/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mac: the proofs at the end of a handshake message: that its sender knows who
 * it is for (MAC1), and gets what is sent to where it says it is (MAC2).
 */
#ifndef _FORKGUARD_MAC_H
#define _FORKGUARD_MAC_H

#include "messages.h"

/**
 * struct mac_keys - what everybody can compute who knows an identity
 * @mac1: of MAC1 in messages to that identity
 * @cookie: of the cookie replies that come from it
 */
struct mac_keys {
	u8 mac1[NOISE_SYMMETRIC_KEY_LEN];
	u8 cookie[NOISE_SYMMETRIC_KEY_LEN];
};

struct message_macs *fwg_macs_of(const void *msg, size_t len);
void fwg_mac_keys(struct mac_keys *keys, const u8 public_key[NOISE_PUBLIC_KEY_LEN]);
void fwg_mac1_compute(u8 mac[MESSAGE_MAC_LEN], const void *msg, size_t len,
		      const struct mac_keys *keys);
void fwg_mac2_compute(u8 mac[MESSAGE_MAC_LEN], const void *msg, size_t len,
		      const u8 cookie[MESSAGE_MAC_LEN]);

#endif /* _FORKGUARD_MAC_H */
