// SPDX-License-Identifier: GPL-2.0
/* Statistics of each session, that is, of each receiver index. */
#include "sessions.h"

#include <stdlib.h>
#include <sys/random.h>

#include "digest.h"

struct sessions {
	struct session *list; /* in order of appearance */
	uint32_t *slots; /* hash table: 1 plus a position in @list */
	uint32_t count, room; /* there are 2 * room slots */
	unsigned long long unlisted; /* messages of sessions for which there was no room */
	struct digest_key key;
};

struct sessions *sessions_new(void)
{
	struct sessions *s = calloc(1, sizeof(*s));

	if (s && getrandom(&s->key, sizeof(s->key), 0) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

/* The slot of @receiver, or the free slot where it belongs. There must be room. */
static uint32_t *find(const struct sessions *s, uint32_t receiver)
{
	uint64_t slots = 2 * (uint64_t)s->room;
	uint64_t i = digest(&s->key, &receiver, sizeof(receiver)).lo % slots;

	while (s->slots[i] && s->list[s->slots[i] - 1].receiver != receiver)
		i = (i + 1) % slots;
	return &s->slots[i];
}

static bool grow(struct sessions *s)
{
	uint32_t room = s->room ? 2 * s->room : 64;
	struct session *list = realloc(s->list, room * sizeof(*list));
	uint32_t *slots;

	if (!list)
		return false;
	s->list = list;
	slots = calloc(2 * (size_t)room, sizeof(*slots));
	if (!slots)
		return false;
	free(s->slots);
	s->slots = slots;
	s->room = room;
	for (uint32_t i = 0; i < s->count; i++)
		*find(s, list[i].receiver) = i + 1;
	return true;
}

static struct session *lookup(const struct sessions *s, uint32_t receiver)
{
	uint32_t slot = s->room ? *find(s, receiver) : 0;

	return slot ? &s->list[slot - 1] : NULL;
}

/* Returns NULL if it is not listed. */
const struct session *sessions_find(const struct sessions *s, uint32_t receiver)
{
	return lookup(s, receiver);
}

/* Finds the session of @receiver, or adds it if there is room. False: memory is short. */
static bool obtain(struct sessions *s, uint32_t receiver, struct session **session)
{
	*session = lookup(s, receiver);
	if (*session || s->count == SESSIONS_MAX)
		return true;
	if (s->count == s->room && !grow(s))
		return false;
	*session = &s->list[s->count++];
	**session = (struct session){ .receiver = receiver };
	*find(s, receiver) = s->count;
	return true;
}

/* Counts a message; call this once for each. Returns false if memory is short. */
bool sessions_survey(struct sessions *s, const struct message *m, uint32_t file)
{
	struct session *session;
	uint64_t handshake;

	if (m->kind == INITIATION || m->kind == RESPONSE) {
		if (!obtain(s, m->sender, &session))
			return false;
		if (!session)
			return true;
		handshake = digest(&s->key, m->nonce, m->nonce_len).lo | 1;
		/* Another handshake, or this file's first, but the index was in use before. */
		if (session->handshake && session->handshake != handshake)
			session->several = true;
		if (session->messages && session->last_file == file &&
		    (!session->handshake || session->handshake_file != file))
			session->several = true;
		session->handshake = handshake;
		session->handshake_file = file;
	} else if (m->kind == TRANSPORT) {
		if (!obtain(s, m->receiver, &session))
			return false;
		if (!session) {
			s->unlisted++;
			return true;
		}
		if (!session->messages || session->last_file != file)
			session->files++;
		session->last_file = file;
		if (!session->messages++ || m->counter < session->first)
			session->first = m->counter;
		if (m->counter > session->last)
			session->last = m->counter;
	}
	return true;
}

/* Counts a message that was not seen before. */
void sessions_distinct(struct sessions *s, const struct message *m)
{
	struct session *session = m->kind == TRANSPORT ? lookup(s, m->receiver) : NULL;

	if (session)
		session->distinct++;
}

size_t sessions_count(const struct sessions *s)
{
	return s->count;
}

const struct session *sessions_get(const struct sessions *s, size_t i)
{
	return &s->list[i];
}

unsigned long long sessions_unlisted(const struct sessions *s)
{
	return s->unlisted;
}
