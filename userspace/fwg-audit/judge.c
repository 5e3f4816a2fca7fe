// SPDX-License-Identifier: GPL-2.0
/*
 * Remembers every nonce and its ciphertext, in bounded memory, and finds the reuses.
 *
 * There is one open-addressing table without deletion. The first message of a nonce
 * is entered under the digest of the nonce. Any other ciphertext of that nonce is
 * entered under the digest of both, so that the table stays fast however often one
 * nonce occurs. If there are too many messages for the table, the captures are read
 * several times, and each pass handles the nonces whose digest is in its share.
 * A message adds at most one entry.
 */
#include "judge.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "digest.h"

struct entry {
	struct digest key;
	struct digest text;
	uint64_t packet : 48; /* 0: the entry is free */
	uint64_t file : 15;
	uint64_t shared : 1; /* the nonce was also seen in another file */
};

struct judge {
	struct entry *table;
	size_t size, used;
	unsigned int passes, pass;
	unsigned long long ephemerals, ephemerals_shared;
	/* Random keys, so that nobody can prepare a capture whose digests collide. */
	struct digest_key nonce_key[KINDS], text_key, both_key;
};

/* A table is three quarters full on average. That is enough, as shares differ little in size. */
struct shares shares(size_t memory, size_t entry, unsigned long long messages)
{
	size_t room = memory / entry;

	if (room > messages / 3 * 4 + 64)
		room = messages / 3 * 4 + 64;
	return (struct shares){ room, messages / (room / 4 * 3) + 1 };
}

struct judge *judge_new(size_t memory, unsigned long long messages)
{
	struct shares s = shares(memory, sizeof(struct entry), messages);
	struct judge *judge = calloc(1, sizeof(*judge));

	if (!judge)
		return NULL;
	judge->size = s.room;
	judge->passes = s.passes;
	judge->table = calloc(s.room, sizeof(*judge->table));
	if (!judge->table || getrandom(judge->nonce_key, sizeof(judge->nonce_key), 0) < 0 ||
	    getrandom(&judge->text_key, sizeof(judge->text_key), 0) < 0 ||
	    getrandom(&judge->both_key, sizeof(judge->both_key), 0) < 0) {
		free(judge->table);
		free(judge);
		return NULL;
	}
	return judge;
}

/* Frees the table, but keeps the counts. */
void judge_end(struct judge *judge)
{
	free(judge->table);
	judge->table = NULL;
}

unsigned int judge_passes(const struct judge *judge)
{
	return judge->passes;
}

void judge_pass(struct judge *judge, unsigned int pass)
{
	judge->pass = pass;
	if (!pass)
		return;
	memset(judge->table, 0, judge->size * sizeof(*judge->table));
	judge->used = 0;
}

/* The entry of @key, or the free entry where it belongs. */
static struct entry *find(struct judge *judge, const struct digest *key)
{
	size_t i = key->hi % judge->size;

	while (judge->table[i].packet && !digest_equal(&judge->table[i].key, key))
		i = i + 1 == judge->size ? 0 : i + 1;
	return &judge->table[i];
}

static bool enter(struct judge *judge, struct entry *entry, const struct digest *key,
		  const struct digest *text, struct place at)
{
	/* One entry must stay free for find() to end. */
	if (judge->used + 1 >= judge->size)
		return false;
	judge->used++;
	entry->key = *key;
	entry->text = *text;
	entry->packet = at.packet;
	entry->file = at.file;
	return true;
}

/* On REUSE, @first is where the nonce was seen first. */
enum verdict judge_message(struct judge *judge, const struct message *m, struct place at,
			   struct place *first)
{
	bool ephemeral = m->kind == INITIATION || m->kind == RESPONSE;
	struct digest both[2], text;
	struct entry *entry;

	both[0] = digest(&judge->nonce_key[m->kind], m->nonce, m->nonce_len);
	if (both[0].lo % judge->passes != judge->pass)
		return SKIPPED;
	text = digest(&judge->text_key, m->text, m->text_len);

	entry = find(judge, &both[0]);
	if (!entry->packet) {
		if (!enter(judge, entry, &both[0], &text, at))
			return FULL;
		judge->ephemerals += ephemeral;
		return FIRST;
	}
	if (ephemeral && entry->file != at.file && !entry->shared) {
		entry->shared = true;
		judge->ephemerals_shared++;
	}
	if (digest_equal(&entry->text, &text))
		return AGAIN;
	*first = (struct place){ entry->file, entry->packet };

	both[1] = text;
	both[0] = digest(&judge->both_key, both, sizeof(both));
	entry = find(judge, &both[0]);
	if (entry->packet)
		return AGAIN;
	return enter(judge, entry, &both[0], &text, at) ? REUSE : FULL;
}

/* The number of ephemeral keys so far, and of those that were in several files. */
unsigned long long judge_ephemerals(const struct judge *judge)
{
	return judge->ephemerals;
}

unsigned long long judge_ephemerals_shared(const struct judge *judge)
{
	return judge->ephemerals_shared;
}
