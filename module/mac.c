// SPDX-License-Identifier: GPL-2.0
/*
 * mac: the first MAC of handshake messages (WireGuard whitepaper, section
 * 5.4.4). Its key is no secret but a hash of the receiver's public key: who
 * does not know that gets no answer. The second MAC, of cookies, is left zero.
 */

#include "mac.h"

#include <crypto/algapi.h>
#include <linux/string.h>

/**
 * mac_key() - the key of MACs for a receiver
 * @key: the key
 * @public_key: the receiver's identity
 */
void mac_key(u8 key[NOISE_SYMMETRIC_KEY_LEN], const u8 public_key[NOISE_PUBLIC_KEY_LEN])
{
	static const u8 label[8] = "mac1----";
	struct blake2s_state state;

	blake2s_init(&state, NOISE_SYMMETRIC_KEY_LEN);
	blake2s_update(&state, label, sizeof(label));
	blake2s_update(&state, public_key, NOISE_PUBLIC_KEY_LEN);
	blake2s_final(&state, key);
}

static void compute(u8 mac[MESSAGE_MAC_LEN], const void *msg, size_t len,
		    const u8 key[NOISE_SYMMETRIC_KEY_LEN])
{
	blake2s(mac, msg, key, MESSAGE_MAC_LEN, len - sizeof(struct message_macs),
		NOISE_SYMMETRIC_KEY_LEN);
}

static struct message_macs *macs_of(const void *msg, size_t len)
{
	return (struct message_macs *)(msg + len) - 1;
}

/**
 * mac_add() - finish a handshake message
 * @msg: the message
 * @len: its length, with MACs
 * @key: from mac_key() for the receiver
 */
void mac_add(void *msg, size_t len, const u8 key[NOISE_SYMMETRIC_KEY_LEN])
{
	struct message_macs *macs = macs_of(msg, len);

	compute(macs->mac1, msg, len, key);
	memset(macs->mac2, 0, sizeof(macs->mac2));
}

/**
 * mac_valid() - does the sender know who we are?
 * @msg: the message
 * @len: its length, with MACs
 * @key: from mac_key() for ourselves
 */
bool mac_valid(const void *msg, size_t len, const u8 key[NOISE_SYMMETRIC_KEY_LEN])
{
	u8 mac[MESSAGE_MAC_LEN];

	compute(mac, msg, len, key);
	return !crypto_memneq(mac, macs_of(msg, len)->mac1, sizeof(mac));
}
