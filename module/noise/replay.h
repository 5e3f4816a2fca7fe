/* SPDX-License-Identifier: GPL-2.0 */
/*
 * replay: the replay window: which counters a session has received. It is the sliding
 * window of RFC 6479, a bitmap in a ring of words.
 */
#ifndef _FORKGUARD_NOISE_REPLAY_H
#define _FORKGUARD_NOISE_REPLAY_H

#include <linux/bits.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define REPLAY_BITS 8192
#define REPLAY_WINDOW (REPLAY_BITS - BITS_PER_LONG)

/**
 * struct replay_window - the counters that a session has received
 * @lock: guards all below
 * @next: one more than the highest counter received
 * @seen: a bit for each counter of the window, indexed modulo %REPLAY_BITS
 */
struct replay_window {
	spinlock_t lock; /* all below */
	u64 next;
	unsigned long seen[REPLAY_BITS / BITS_PER_LONG];
};

void fwg_replay_init(struct replay_window *window);
bool __must_check fwg_replay_accept(struct replay_window *window, u64 counter);

#endif /* _FORKGUARD_NOISE_REPLAY_H */
