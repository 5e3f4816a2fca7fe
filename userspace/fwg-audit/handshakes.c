// SPDX-License-Identifier: GPL-2.0
/*
 * Tells sessions with the same receiver index apart, by the handshakes that chose it.
 *
 * Most implementations draw the index at random from 2^32, so among a hundred
 * thousand sessions some have the same index. Others count it up in 8 bits, and it
 * comes back after 256 handshakes. Two messages with one index and one counter are
 * then suspects: they are no reuse if they belong to different sessions.
 *
 * A message belongs to the last handshake before it, in its file, that chose its
 * index at its destination address: neither a host nor a copy of it chooses an index
 * again while one of its sessions uses it. This is certain only within the lifetime
 * of a session. Later, a restored machine may continue an old session. Nor is it
 * certain if two hosts have chosen the index and the message goes to neither's
 * address.
 *
 * Two sessions are distinct if two messages certainly belong to different
 * handshakes. Without a sign that an index was chosen more than once, there is one
 * session: copies of a machine share it, and at most one capture may have its
 * handshake.
 */
#include "handshakes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "digest.h"

/* In seconds. A session is used for 180, and its handshake takes some more. */
#define LIFETIME 240

/* How many of a file's last choices of an index are remembered. */
#define CHOICES 4

struct choice {
	uint64_t handshake, endpoint;
	int64_t time;
};

/* A suspect: a receiver index, and its known sessions. */
struct index {
	uint32_t receiver; /* the key of searches; has to come first */
	uint64_t handshake; /* one that chose it, in any file; 0: none was seen */
	bool several; /* several sessions had it */
	bool several_files; /* several files have it */
	bool chosen_twice; /* in distinct sessions */
	bool unknown_lives; /* a session begun before its file may be as young as known ones */

	/* In the file that is being read: */
	bool seen;
	uint32_t file;
	bool unknown; /* it was in use without a matching choice */
	int64_t unknown_time; /* the last time of such use */
	unsigned int count;
	struct choice choices[CHOICES]; /* the last is the newest */
};

/* A ciphertext, and the session to which it belongs. */
struct text {
	uint32_t receiver;
	enum {
		FREE, /* an unused entry of the table */
		UNCERTAIN,
		CERTAIN,
		CONTRADICTION,
	} known;
	unsigned long long counter;
	struct digest digest;
	struct place place; /* of its first sighting */
	size_t offset;
	uint64_t session; /* a handshake; if that is unknown, the file, plus 1 */
};

/* Identifiers of handshakes have this bit; those of files do not. */
#define HANDSHAKE 0x8000000000000000

/* What makes another session of a handshake that it may be, or not. */
#define ONE_OF_SEVERAL 1

/*
 * As in the judge, the table has a bounded size, and there are as many passes as
 * needed, each for a share of the nonces.
 */
struct handshakes {
	struct index *indices;
	size_t count;
	unsigned long long reuses, decided;
	struct text *table;
	size_t size, used;
	unsigned int passes, pass;
	struct digest_key handshake_key, endpoint_key, nonce_key, text_key, entry_key;
};

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int receiver_order(const void *left, const void *right)
{
	const uint32_t *l = left, *r = right;

	return compare(*l, *r);
}

static int nonce_order(const struct text *l, const struct text *r)
{
	return compare(l->receiver, r->receiver) ?: compare(l->counter, r->counter);
}

static int seen_order(const struct text *l, const struct text *r)
{
	return place_order(&l->place, &r->place) ?: compare(l->offset, r->offset);
}

static int session_order(const void *left, const void *right)
{
	const struct text *l = left, *r = right;

	return nonce_order(l, r) ?: compare(l->session, r->session) ?: seen_order(l, r);
}

/* Sorts them, removes duplicates, and keeps the lowest. */
void suspects_sort(struct suspects *suspects)
{
	uint32_t *list = suspects->list;
	size_t count = 0;

	if (suspects->count)
		qsort(list, suspects->count, sizeof(*list), receiver_order);
	for (size_t i = 0; i < suspects->count; i++)
		if (!count || list[count - 1] != list[i])
			list[count++] = list[i];
	suspects->more |= count > SUSPECTS_MAX;
	suspects->count = count > SUSPECTS_MAX ? SUSPECTS_MAX : count;
}

/* Returns false if memory is short. */
bool suspects_add(struct suspects *suspects, uint32_t receiver)
{
	if (!suspects->list)
		suspects->list = calloc(2 * SUSPECTS_MAX, sizeof(*suspects->list));
	if (!suspects->list)
		return false;
	if (suspects->count == 2 * SUSPECTS_MAX)
		suspects_sort(suspects);
	suspects->list[suspects->count++] = receiver;
	suspects->reuses++;
	return true;
}

/* @messages: an upper bound for those to the suspects. Returns NULL if memory is short. */
struct handshakes *handshakes_new(const struct suspects *suspects, size_t memory,
				  unsigned long long messages)
{
	struct shares s = shares(memory, sizeof(struct text), messages);
	struct handshakes *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->count = suspects->count;
	h->reuses = suspects->reuses;
	h->size = s.room;
	h->passes = s.passes;
	h->indices = calloc(h->count, sizeof(*h->indices));
	h->table = calloc(h->size, sizeof(*h->table));
	if (!h->indices || !h->table ||
	    getrandom(&h->handshake_key, sizeof(h->handshake_key), 0) < 0 ||
	    getrandom(&h->endpoint_key, sizeof(h->endpoint_key), 0) < 0 ||
	    getrandom(&h->nonce_key, sizeof(h->nonce_key), 0) < 0 ||
	    getrandom(&h->text_key, sizeof(h->text_key), 0) < 0 ||
	    getrandom(&h->entry_key, sizeof(h->entry_key), 0) < 0)
		return NULL;
	for (size_t i = 0; i < h->count; i++)
		h->indices[i].receiver = suspects->list[i];
	return h;
}

unsigned int handshakes_passes(const struct handshakes *h)
{
	return h->passes;
}

void handshakes_pass(struct handshakes *h, unsigned int pass)
{
	h->pass = pass;
	h->used = 0;
	memset(h->table, 0, h->size * sizeof(*h->table));
	for (size_t i = 0; i < h->count; i++)
		h->indices[i].seen = false;
}

static struct index *find_index(const struct handshakes *h, uint32_t receiver)
{
	return bsearch(&receiver, h->indices, h->count, sizeof(*h->indices), receiver_order);
}

static uint64_t endpoint_id(const struct handshakes *h, const struct endpoint *endpoint)
{
	uint8_t bytes[2 + 16] = { endpoint->port >> 8, endpoint->port & 0xff };

	memcpy(bytes + 2, endpoint->address, endpoint->len);
	return digest(&h->endpoint_key, bytes, 2 + endpoint->len).lo;
}

/* Is there no more than a lifetime between the two? */
static bool close_in_time(int64_t a, int64_t b)
{
	return (a < b ? (uint64_t)b - a : (uint64_t)a - b) <= LIFETIME;
}

static void begin_file(struct index *index, uint32_t file)
{
	if (index->seen && index->file == file)
		return;
	index->several_files |= index->seen;
	index->seen = true;
	index->file = file;
	index->unknown = false;
	index->count = 0;
}

static void choose(struct index *index, struct choice choice)
{
	index->several |= index->handshake && index->handshake != choice.handshake;
	index->handshake = choice.handshake;
	if (index->unknown) {
		index->several = true;
		index->unknown_lives |= close_in_time(index->unknown_time, choice.time);
	}
	/* A copy of an earlier handshake message is not a new choice. */
	for (unsigned int i = 0; i < index->count; i++)
		if (index->choices[i].handshake == choice.handshake &&
		    index->choices[i].endpoint == choice.endpoint)
			return;
	if (index->count == CHOICES)
		memmove(index->choices, index->choices + 1, --index->count * sizeof(choice));
	index->choices[index->count++] = choice;
}

/* The session of which the file has messages, but no handshake. */
static uint64_t unknown_session(const struct index *index)
{
	return index->file + 1;
}

/* The session of a message between two endpoints. *@certain: it can't be another one. */
static uint64_t attribute(struct index *index, uint64_t from, uint64_t to, int64_t time,
			  bool *certain)
{
	const struct choice *newest = NULL;
	bool several = false;

	*certain = false;
	for (unsigned int i = index->count; i--;) {
		const struct choice *c = &index->choices[i];
		bool lives = close_in_time(c->time, time);

		/* No host sends to an index that it chose itself. */
		if (c->endpoint == from)
			continue;
		if (c->endpoint == to && lives) {
			*certain = true;
			return c->handshake;
		}
		if (!newest) {
			newest = c;
			*certain = lives;
		} else if (c->handshake != newest->handshake &&
			   (lives || (c->endpoint == to && newest->endpoint != to))) {
			several = true;
		}
	}
	if (several)
		*certain = false;
	if (newest)
		return newest->handshake ^ (several ? ONE_OF_SEVERAL : 0);
	index->unknown = true;
	index->unknown_time = time;
	if (index->count) {
		index->several = true;
		index->unknown_lives = true;
	}
	return unknown_session(index);
}

/* Equal texts were made with one key, so they are all of one session. */
static void learn(struct text *text, const struct index *index, uint64_t session, bool certain)
{
	if (text->known == FREE) {
		text->known = certain ? CERTAIN : UNCERTAIN;
		text->session = session;
	} else if (text->known == UNCERTAIN && certain) {
		/* A text from before this file's first handshake can't be of a later session. */
		text->known = text->session == unknown_session(index) ? CONTRADICTION : CERTAIN;
		if (text->known == CERTAIN)
			text->session = session;
	} else if (text->known == CERTAIN && certain && text->session != session) {
		text->known = CONTRADICTION;
	}
}

/* The entry of the text, or the free entry where it belongs. */
static struct text *find_text(const struct handshakes *h, const struct text *key)
{
	struct digest both[2] = { { key->receiver, key->counter }, key->digest };
	size_t i = digest(&h->entry_key, both, sizeof(both)).lo % h->size;

	while (h->table[i].known != FREE &&
	       (nonce_order(&h->table[i], key) || !digest_equal(&h->table[i].digest, &key->digest)))
		i = i + 1 == h->size ? 0 : i + 1;
	return &h->table[i];
}

static bool see_text(struct handshakes *h, const struct message *m, const struct sight *sight,
		     struct index *index)
{
	struct text *text, key = {
		.receiver = m->receiver,
		.counter = m->counter,
		.place = sight->place,
		.offset = sight->offset,
	};
	uint64_t from = endpoint_id(h, &sight->datagram->from);
	uint64_t to = endpoint_id(h, &sight->datagram->to);
	bool certain;
	uint64_t session = attribute(index, from, to, sight->time, &certain);

	if (digest(&h->nonce_key, m->nonce, m->nonce_len).lo % h->passes != h->pass)
		return true;
	key.digest = digest(&h->text_key, m->text, m->text_len);
	text = find_text(h, &key);
	if (text->known == FREE) {
		if (h->used + 1 >= h->size)
			return false;
		h->used++;
		*text = key;
	}
	learn(text, index, session, certain);
	return true;
}

/*
 * Call this for all messages in the order of the captures. Returns false if the table
 * is full.
 */
bool handshakes_see(struct handshakes *h, const struct message *m, const struct sight *sight)
{
	struct choice choice = { .time = sight->time };
	struct index *index;

	if (m->kind == COOKIE)
		return true;
	index = find_index(h, m->kind == TRANSPORT ? m->receiver : m->sender);
	if (!index)
		return true;
	begin_file(index, sight->place.file);
	if (m->kind == TRANSPORT)
		return see_text(h, m, sight, index);
	choice.endpoint = endpoint_id(h, &sight->datagram->from);
	choice.handshake = digest(&h->handshake_key, m->nonce, m->nonce_len).lo | HANDSHAKE;
	choose(index, choice);
	return true;
}

/* Draws the conclusions that are possible when everything has been read. */
static void settle(const struct index *index, struct text *text)
{
	if (!index->several) {
		text->session = 0;
	} else if (text->known == UNCERTAIN && !(text->session & HANDSHAKE) &&
		   !index->several_files && !index->unknown_lives) {
		/* It ended before any other began. */
		text->known = CERTAIN;
	}
}

static bool found(struct reuses *reuses, const struct text *a, const struct text *b)
{
	struct reuse reuse = {
		.kind = TRANSPORT,
		.receiver = b->receiver,
		.counter = b->counter,
		.a = a->place,
		.b = b->place,
		.offset = b->offset,
	};

	return reuses_add(reuses, &reuse);
}

/* Decides about the texts of one nonce, which are sorted by session. */
static bool decide(struct index *index, const struct text *texts, size_t count,
		   struct findings *findings)
{
	const struct text *first = texts, *uncertain = NULL, *session = texts;

	for (const struct text *t = texts; t < texts + count; t++) {
		if (seen_order(t, first) < 0)
			first = t;
		if (t->known != CERTAIN && (!uncertain || seen_order(t, uncertain) < 0))
			uncertain = t;
	}
	for (const struct text *t = texts; t < texts + count; t++) {
		if (t->session == session->session && t != session) {
			if (!found(&findings->reuses, session, t))
				return false;
			continue;
		}
		session = t;
		if (t == first)
			continue;
		if (!uncertain || seen_order(t, uncertain) < 0)
			index->chosen_twice = true;
		else if (!found(&findings->doubtful, first, t))
			return false;
	}
	return true;
}

/* Call this at the end of each pass. Returns false if memory is short. */
bool handshakes_decide(struct handshakes *h, struct findings *findings)
{
	struct text *texts = h->table;
	size_t count = 0, next;

	for (size_t i = 0; i < h->size; i++) {
		if (texts[i].known == FREE)
			continue;
		texts[count] = texts[i];
		settle(find_index(h, texts[count].receiver), &texts[count]);
		count++;
	}
	if (count)
		qsort(texts, count, sizeof(*texts), session_order);
	for (size_t i = 0; i < count; i = next) {
		for (next = i + 1; next < count; next++)
			if (nonce_order(&texts[i], &texts[next]))
				break;
		h->decided += next - i - 1;
		if (!decide(find_index(h, texts[i].receiver), &texts[i], next - i, findings))
			return false;
	}
	return true;
}

/* Counts the findings. Suspects that were not examined are doubtful. */
void handshakes_end(struct handshakes *h, struct findings *findings)
{
	for (size_t i = 0; i < h->count; i++)
		findings->chosen_twice += h->indices[i].chosen_twice;
	if (h->reuses > h->decided)
		findings->doubtful.total += h->reuses - h->decided;
}
