// SPDX-License-Identifier: GPL-2.0
/* replay: see replay.h. */

#include "replay.h"

#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/string.h>

#define BLOCKS (REPLAY_BITS / BITS_PER_LONG)

/**
 * fwg_replay_init() - initialize an empty window
 * @window: the window
 */
void fwg_replay_init(struct replay_window *window)
{
	spin_lock_init(&window->lock);
	window->next = 0;
	memset(window->seen, 0, sizeof(window->seen));
}

/**
 * fwg_replay_accept() - accept a counter once
 * @window: the window of the session
 * @counter: the counter of an authentic message; less than U64_MAX
 *
 * Context: softirq or BHs disabled.
 * Return: false if the counter was seen before, or is older than the window.
 */
bool fwg_replay_accept(struct replay_window *window, u64 counter)
{
	u64 top, block;
	bool fresh = false;

	spin_lock(&window->lock);
	if (counter + REPLAY_WINDOW < window->next)
		goto out;

	if (counter >= window->next) {
		/* Clear the words that the window slides into. */
		top = window->next ? (window->next - 1) / BITS_PER_LONG : 0;
		block = counter / BITS_PER_LONG;
		for (top = max(top, block - min_t(u64, block, BLOCKS)); top < block;)
			window->seen[++top % BLOCKS] = 0;
		window->next = counter + 1;
	}
	fresh = !__test_and_set_bit(counter % REPLAY_BITS, window->seen);
out:
	spin_unlock(&window->lock);
	return fresh;
}
