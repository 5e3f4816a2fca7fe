// SPDX-License-Identifier: GPL-2.0
/* A bounded list of certain or possible reuses, in the order of the captures. */
#include "reuses.h"

#include <stdlib.h>

#define ROOM_MAX (2 * REUSES_MAX)

static int order(const void *left, const void *right)
{
	const struct reuse *l = left, *r = right;

	return place_order(&l->b, &r->b) ?: (l->offset > r->offset) - (l->offset < r->offset);
}

/* Sorts reuses found in different passes, and keeps no more than are listed. */
void reuses_sort(struct reuses *reuses)
{
	if (reuses->count)
		qsort(reuses->list, reuses->count, sizeof(*reuses->list), order);
	if (reuses->count > REUSES_MAX)
		reuses->count = REUSES_MAX;
}

/* Returns false if memory is short. */
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
