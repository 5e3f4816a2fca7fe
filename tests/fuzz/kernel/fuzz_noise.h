/* SPDX-License-Identifier: GPL-2.0 */
/* fuzz_noise: the fuzzer's access to the internals of the noise layer. */
#ifndef _FORKGUARD_FUZZ_NOISE_H
#define _FORKGUARD_FUZZ_NOISE_H

#include "noise.h"

#define FUZZ_SLOTS 4

/**
 * struct fuzz_noise_state - the state of a peer that a message may change
 * @index: index of the session in each slot, or 0
 * @next: next of their replay windows
 * @seen: the words of their replay windows, XORed
 * @pending: index of the handshake that we have begun, or 0
 * @timestamp: the peer's latest timestamp
 * @cookie: the peer's latest cookie
 * @awaits_cookie: the latest message has not been answered by a cookie reply
 */
struct fuzz_noise_state {
	u32 index[FUZZ_SLOTS];
	u32 pending;
	u64 next[FUZZ_SLOTS];
	unsigned long seen[FUZZ_SLOTS];
	u8 timestamp[NOISE_TIMESTAMP_LEN];
	u8 cookie[MESSAGE_MAC_LEN];
	bool awaits_cookie;
};

void fuzz_noise_restart(void);
void fuzz_noise_state(struct noise_peer *peer, struct fuzz_noise_state *state);
int fuzz_noise_connect(struct noise_peer *initiator, struct noise_peer *responder, u8 key);
void fuzz_noise_forget(struct noise_peer *peer);
void fuzz_noise_unlimit(struct noise_peer *peer);
void fuzz_noise_age(struct noise_peer *peer, u64 seconds);
void fuzz_noise_seal(const struct noise_session *session, u8 *message, size_t len, u64 counter);
struct noise_session *fuzz_noise_session(struct noise_peer *peer, unsigned int slot);

#endif /* _FORKGUARD_FUZZ_NOISE_H */
