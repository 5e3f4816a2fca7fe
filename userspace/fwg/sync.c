// SPDX-License-Identifier: GPL-2.0
/* Compares the peers of a file with those of the kernel. */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "sync.h"

/* Only public keys are compared, so this need not take constant time. */
static int compare(const void *first, const void *second)
{
	const struct peer *const *a = first, *const *b = second;

	return memcmp((*a)->public_key, (*b)->public_key, KEY_LEN);
}

/* If a file has a peer twice, the one that comes first in it is first. */
static int compare_places(const void *first, const void *second)
{
	const struct peer *const *a = first, *const *b = second;
	const int order = compare(first, second);

	return order ? order : ((*a)->line > (*b)->line) - ((*a)->line < (*b)->line);
}

/* The peers of @dev, sorted; NULL, after a message, if memory is short. */
static struct peer **sorted_peers(const struct device *dev, size_t *count)
{
	struct peer **sorted;

	*count = 0;
	for (const struct peer *peer = dev->peers; peer; peer = peer->next)
		++*count;
	sorted = calloc(*count + 1, sizeof(*sorted));
	if (!sorted) {
		warn("Unable to sort the peers");
		return NULL;
	}
	*count = 0;
	for (struct peer *peer = dev->peers; peer; peer = peer->next)
		sorted[(*count)++] = peer;
	qsort(sorted, *count, sizeof(*sorted), compare_places);
	return sorted;
}

static int remove_peer(struct device *dev, const struct peer *old)
{
	struct peer *peer = device_add_peer(dev);

	if (!peer)
		return -1;
	memcpy(peer->public_key, old->public_key, KEY_LEN);
	peer->remove = true;
	return 0;
}

/* Settings of @old that @peer leaves out must end: marks them as set, with value zero. */
static void leave_out(struct peer *peer, const struct peer *old)
{
	if (old->has_preshared_key)
		peer->has_preshared_key = true;
	if (old->persistent_keepalive)
		peer->has_persistent_keepalive = true;
}

static int add_differences(struct device *dev, const struct device *old)
{
	size_t count;
	struct peer **sorted = sorted_peers(dev, &count);
	int ret = sorted ? 0 : -1;

	for (const struct peer *peer = old->peers; !ret && peer; peer = peer->next) {
		struct peer **same = bsearch(&peer, sorted, count, sizeof(*sorted), compare);

		while (same && same > sorted && !compare(same - 1, &peer))
			same--;
		if (same)
			leave_out(*same, peer);
		else
			ret = remove_peer(dev, peer);
	}
	free(sorted);
	return ret;
}

int sync_peers(struct device *dev)
{
	struct device old = { 0 };
	int ret = kernel_get_device(dev->name, &old);

	if (!ret)
		ret = add_differences(dev, &old);
	dev->replace_peers = false;
	device_clear(&old);
	return ret;
}
