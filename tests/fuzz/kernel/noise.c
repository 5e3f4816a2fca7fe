// SPDX-License-Identifier: GPL-2.0
/*
 * noise: access to the noise layer for the fuzzer; see fuzz_noise.h. Draws are the same
 * in each run; see fuzz_calls.h. So an input always does the same, and most
 * Diffie-Hellmans, which take far longer than anything else, are already cached.
 */

#include "fuzz_calls.h"
#include "fuzz_noise.h"
#include "noise/session.h"

#include <crypto/blake2s.h>
#include <crypto/curve25519.h>
#include <linux/jhash.h>

static u32 draws;

/**
 * fuzz_draw() - replaces fwg_generation_draw()
 * @stamp: not used
 * @out: the bytes
 * @len: how many
 */
void fuzz_draw(const struct generation_stamp *stamp, void *out, size_t len)
{
	draws++;
	blake2s((u8 *)out, (const u8 *)&draws, NULL, len, sizeof(draws), 0);
}

/**
 * fuzz_noise_restart() - repeat the draws since the last call
 */
void fuzz_noise_restart(void)
{
	draws = 0;
}

/**
 * fuzz_curve25519() - curve25519() with a cache of results
 * @out: the shared secret
 * @secret: the private key
 * @point: the public key
 */
bool fuzz_curve25519(u8 out[CURVE25519_KEY_SIZE], const u8 secret[CURVE25519_KEY_SIZE],
		     const u8 point[CURVE25519_KEY_SIZE])
{
	static struct {
		u8 secret[CURVE25519_KEY_SIZE], point[CURVE25519_KEY_SIZE];
		u8 out[CURVE25519_KEY_SIZE];
		bool known, ok;
	} results[4096], *result;
	static DEFINE_SPINLOCK(lock);
	u32 hash = jhash(secret, CURVE25519_KEY_SIZE, jhash(point, CURVE25519_KEY_SIZE, 0));
	bool ok;

	result = &results[hash % ARRAY_SIZE(results)];
	spin_lock_bh(&lock);
	if (!result->known || memcmp(result->secret, secret, sizeof(result->secret)) ||
	    memcmp(result->point, point, sizeof(result->point))) {
		memcpy(result->secret, secret, sizeof(result->secret));
		memcpy(result->point, point, sizeof(result->point));
		result->ok = curve25519(result->out, secret, point);
		result->known = true;
	}
	memcpy(out, result->out, sizeof(result->out));
	ok = result->ok;
	spin_unlock_bh(&lock);
	return ok;
}

static_assert(FUZZ_SLOTS == SLOTS);

/**
 * fuzz_noise_state() - get the state of a peer
 * @peer: the peer
 * @state: filled in
 */
void fuzz_noise_state(struct noise_peer *peer, struct fuzz_noise_state *state)
{
	struct noise_session *session;
	unsigned int block;
	enum slot i;

	memset(state, 0, sizeof(*state));
	spin_lock_bh(&peer->lock);
	for (i = 0; i < SLOTS; i++) {
		session = fwg_in_slot(peer, i);
		if (!session)
			continue;
		state->index[i] = (__force u32)session->index;
		state->next[i] = session->replay.next;
		for (block = 0; block < ARRAY_SIZE(session->replay.seen); block++)
			state->seen[i] ^= session->replay.seen[block];
	}
	if (peer->pending)
		state->pending = (__force u32)peer->pending->index;
	memcpy(state->timestamp, peer->last_timestamp, sizeof(state->timestamp));
	memcpy(state->cookie, peer->cookie.secret, sizeof(state->cookie));
	state->awaits_cookie = peer->mac1_sent;
	spin_unlock_bh(&peer->lock);
}

static void connect_one(struct noise_peer *peer, struct noise_session *session,
			const struct noise_keys *keys, __le32 remote_index, bool initiator)
{
	spin_lock_bh(&peer->lock);
	fwg_establish(peer, session, keys, remote_index, initiator);
	spin_unlock_bh(&peer->lock);
}

/**
 * fuzz_noise_connect() - establish a session without the cost of a handshake
 * @initiator: can send with it at once
 * @responder: has to receive a message first
 * @key: the byte of which the session's keys consist
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int fuzz_noise_connect(struct noise_peer *initiator, struct noise_peer *responder, u8 key)
{
	struct generation_stamp stamps[] = { fwg_generation_read(&initiator->scope),
					     fwg_generation_read(&responder->scope) };
	struct noise_session *ours = fwg_session_create(initiator, &stamps[0]);
	struct noise_session *theirs = fwg_session_create(responder, &stamps[1]);
	struct noise_keys keys;

	if (!ours || !theirs) {
		fwg_session_retire(ours);
		fwg_session_retire(theirs);
		return -ENOMEM;
	}
	memset(keys.initiator, key, sizeof(keys.initiator));
	memset(keys.responder, ~key, sizeof(keys.responder));
	connect_one(initiator, ours, &keys, theirs->index, true);
	connect_one(responder, theirs, &keys, ours->index, false);
	return 0;
}

/**
 * fuzz_noise_forget() - forget the timestamps of received initiations
 * @peer: the peer
 */
void fuzz_noise_forget(struct noise_peer *peer)
{
	spin_lock_bh(&peer->lock);
	memset(peer->last_timestamp, 0, sizeof(peer->last_timestamp));
	spin_unlock_bh(&peer->lock);
	fuzz_noise_unlimit(peer);
}

/**
 * fuzz_noise_unlimit() - accept the next initiation at any time
 * @peer: the peer
 */
void fuzz_noise_unlimit(struct noise_peer *peer)
{
	spin_lock_bh(&peer->lock);
	peer->last_initiation = 0;
	spin_unlock_bh(&peer->lock);
}

/**
 * fuzz_noise_age() - make the sessions of a peer older
 * @peer: the peer
 * @seconds: by how much
 */
void fuzz_noise_age(struct noise_peer *peer, u64 seconds)
{
	struct noise_session *session;
	enum slot i;

	spin_lock_bh(&peer->lock);
	for (i = 0; i < SLOTS; i++) {
		session = fwg_in_slot(peer, i);
		if (session)
			session->birth -= seconds * NSEC_PER_SEC;
	}
	spin_unlock_bh(&peer->lock);
}

/**
 * fuzz_noise_seal() - encrypt a data message under any counter
 * @session: the session
 * @message: room for the header, the plaintext, and room for the tag; not on a stack
 * @len: length of the plaintext
 * @counter: the counter
 */
void fuzz_noise_seal(const struct noise_session *session, u8 *message, size_t len, u64 counter)
{
	struct message_data *header = (struct message_data *)message;

	header->type = cpu_to_le32(MESSAGE_DATA);
	header->receiver_index = session->remote_index;
	header->counter = cpu_to_le64(counter);
	chacha20poly1305_encrypt(message + sizeof(*header), message + sizeof(*header), len, NULL, 0,
				 counter, session->send_key);
}

/**
 * fuzz_noise_session() - get the session in a slot
 * @peer: the peer
 * @slot: current, previous, next, old
 *
 * Context: RCU read-side critical section.
 */
struct noise_session *fuzz_noise_session(struct noise_peer *peer, unsigned int slot)
{
	return rcu_dereference(peer->slots[slot]);
}
