/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cookie: the MACs of handshake messages, and cookies (WireGuard whitepaper,
 * sections 5.4.4 and 5.4.7). MAC1 proves that the sender knows the receiver's public
 * key. MAC2 is keyed with a cookie, and proves that the sender receives what is sent
 * to its source address. Cookies are secret. The keys of MAC1 and of cookie replies
 * are not: they are hashes of the public key of the handshake message's receiver.
 */
#ifndef _FORKGUARD_NOISE_COOKIE_H
#define _FORKGUARD_NOISE_COOKIE_H

#include "private.h"

void fwg_mac_keys(struct mac_keys *keys, const u8 public_key[NOISE_PUBLIC_KEY_LEN]);
struct message_macs *fwg_macs_of(const void *msg, size_t len);
void fwg_mac1_compute(u8 mac[MESSAGE_MAC_LEN], const void *msg, size_t len,
		      const struct mac_keys *keys);
void fwg_mac2_compute(u8 mac[MESSAGE_MAC_LEN], const void *msg, size_t len,
		      const u8 cookie[MESSAGE_MAC_LEN]);

#endif /* _FORKGUARD_NOISE_COOKIE_H */
