// SPDX-License-Identifier: GPL-2.0
/*
 * noise: doors into the noise layer for the fuzzer; see fuzz_noise.h. What that
 * layer draws is the same in each run, so that an input always does the same and
 * most Diffie-Hellmans, which take far longer than all else here, have been
 * computed before: see fuzz_calls.h.
 */

#include "fuzz_calls.h"
#include "fuzz_noise.h"
#include "noise/session.h"

#include <crypto/blake2s.h>
#include <crypto/curve25519.h>
#include <linux/jhash.h>

static u32 draws;

/**
 * fuzz_draw() - what fwg_generation_draw() draws
 * @stamp: not used
 * @out: where it goes
 * @len: how much
 */
void fuzz_draw(const struct generation_stamp *stamp, void *out, size_t len)
{
	draws++;
	blake2s((u8 *)out, (const u8 *)&draws, NULL, len, sizeof(draws), 0);
}

/**
 * fuzz_noise_restart() - draw from here on what was drawn since the last call
 */
void fuzz_noise_restart(void)
{
	draws = 0;
}

/**
 * fuzz_curve25519() - curve25519(), remembering its results
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
 * fuzz_noise_state() - what is to be seen of a peer
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
 * fuzz_noise_connect() - a session, as a handshake leaves it, at no cost
 * @initiator: who can send with it at once
 * @responder: who has to hear of it first
 * @key: of the session, repeated
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
 * fuzz_noise_forget() - forget which initiations have come
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
 * fuzz_noise_unlimit() - the next initiation does not come too soon
 * @peer: the peer
 */
void fuzz_noise_unlimit(struct noise_peer *peer)
{
	spin_lock_bh(&peer->lock);
	peer->last_initiation = 0;
	spin_unlock_bh(&peer->lock);
}

/**
 * fuzz_noise_age() - make sessions older
 * @peer: of this peer
 * @seconds: how much
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
 * @session: to be sent with this session
 * @message: room for the header, the plaintext, and room for the tag; not on a stack
 * @len: of the plaintext
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
 * fuzz_noise_session() - a session by its slot
 * @peer: of this peer
 * @slot: current, previous, next, old
 *
 * Context: RCU read-side critical section.
 */
struct noise_session *fuzz_noise_session(struct noise_peer *peer, unsigned int slot)
{
	return rcu_dereference(peer->slots[slot]);
}
