// SPDX-License-Identifier: GPL-2.0
/*
 * mac: MAC1 and MAC2 of handshake messages (WireGuard whitepaper, section
 * 5.4.4). The keys here are no secrets but hashes of the receiver's public key;
 * cookies, which are, stay in noise.
 */

#include "mac.h"

#include <linux/string.h>

static void fwg_derive(u8 key[NOISE_SYMMETRIC_KEY_LEN], const char label[8],
		       const u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	struct blake2s_state state;

	blake2s_init(&state, NOISE_SYMMETRIC_KEY_LEN);
	blake2s_update(&state, (const u8 *)label, 8);
	blake2s_update(&state, public_key, NOISE_PUBLIC_KEY_LEN);
	blake2s_final(&state, key);
}

/**
 * fwg_mac_keys() - the keys that go with an identity
 * @keys: the keys
 * @public_key: the identity
 */
void fwg_mac_keys(struct mac_keys *keys, const u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	fwg_derive(keys->mac1, "mac1----", public_key);
	fwg_derive(keys->cookie, "cookie--", public_key);
}

/**
 * fwg_macs_of() - where the MACs of a message are
 * @msg: the message
 * @len: its length, with MACs
 */
struct message_macs *fwg_macs_of(const void *msg, size_t len)
{
	return (struct message_macs *)(msg + len) - 1;
}

/**
 * fwg_mac1_compute() - the MAC of a message without its MACs
 * @mac: the MAC
 * @msg: the message
 * @len: its length, with MACs
 * @keys: of the receiver
 */
void fwg_mac1_compute(u8 mac[MESSAGE_MAC_LEN], const void *msg, size_t len,
		      const struct mac_keys *keys)
{
	blake2s(mac, msg, keys->mac1, MESSAGE_MAC_LEN, len - sizeof(struct message_macs),
		NOISE_SYMMETRIC_KEY_LEN);
}

/**
 * fwg_mac2_compute() - the MAC of a message with its first MAC
 * @mac: the MAC
 * @msg: the message
 * @len: its length, with MACs
 * @cookie: what the receiver has sent to where the message comes from
 */
void fwg_mac2_compute(u8 mac[MESSAGE_MAC_LEN], const void *msg, size_t len,
		      const u8 cookie[MESSAGE_MAC_LEN])
{
	blake2s(mac, msg, cookie, MESSAGE_MAC_LEN,
		len - sizeof(struct message_macs) + offsetof(struct message_macs, mac2),
		MESSAGE_MAC_LEN);
}
