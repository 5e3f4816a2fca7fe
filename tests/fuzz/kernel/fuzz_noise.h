/* SPDX-License-Identifier: GPL-2.0 */
/* fuzz_noise: what the fuzzer needs to see of the noise layer's inside, and to do to it. */
#ifndef _FORKGUARD_FUZZ_NOISE_H
#define _FORKGUARD_FUZZ_NOISE_H

#include "noise.h"

#define FUZZ_SLOTS 4

/**
 * struct fuzz_noise_state - what a message may have changed of a peer
 * @index: of the session in each slot, or 0
 * @next: of the replay windows
 * @seen: the blocks of the replay windows, XORed
 * @pending: index of the handshake that we have begun, or 0
 * @timestamp: the latest of the peer
 * @cookie: the latest of the peer
 * @awaits_cookie: the latest message that may be answered by a cookie was not
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
