// SPDX-License-Identifier: GPL-2.0
/* The reuses found, in the order of the captures, and a bounded number of them. */
#include "reuses.h"

#include <stdlib.h>

#define ROOM_MAX (2 * REUSES_MAX)

static int order(const void *left, const void *right)
{
	const struct reuse *l = left, *r = right;

	if (l->b.file != r->b.file)
		return l->b.file < r->b.file ? -1 : 1;
	if (l->b.packet != r->b.packet)
		return l->b.packet < r->b.packet ? -1 : 1;
	return (l->offset > r->offset) - (l->offset < r->offset);
}

/* Puts in order those found in different passes, and keeps no more than are listed. */
void reuses_sort(struct reuses *reuses)
{
	if (reuses->count)
		qsort(reuses->list, reuses->count, sizeof(*reuses->list), order);
	if (reuses->count > REUSES_MAX)
		reuses->count = REUSES_MAX;
}

/* False: out of memory. */
bool reuses_add(struct reuses *reuses, const struct reuse *reuse)
{
	struct reuse *list;
	size_t room;

	if (reuses->count == ROOM_MAX)
		reuses_sort(reuses);
	if (reuses->count == reuses->room) {
		room = reuses->room ? 2 * reuses->room : 64;
		list = realloc(reuses->list, room * sizeof(*list));
		if (!list)
			return false;
		reuses->list = list;
		reuses->room = room;
	}
	reuses->list[reuses->count++] = *reuse;
	reuses->total++;
	return true;
}
