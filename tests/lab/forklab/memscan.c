// SPDX-License-Identifier: GPL-2.0
/*
 * Searches images of memory for pieces of secrets: memscan FILE... < SECRETS
 *
 * A secret is a line "ID LEAST HEX". A match has at least LEAST consecutive bytes of
 * the secret, and at least 8, from any part of it and at any address. Each match is
 * an output line "FILE ADDRESS ID START LENGTH". The last line is "N pieces".
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW sizeof(uint64_t)
#define FILTER_BITS 24
#define LEAST_DISTINCT 3 /* distinct bytes in a window: padding is no secret */

struct secret {
	unsigned int id, least;
	size_t len;
	uint8_t *bytes;
};

struct slot {
	uint64_t window;
	uint32_t secret, start;
	int used;
};

static struct secret *secrets;
static size_t secret_count, windows;
static struct slot *slots;
static size_t slot_mask;
static uint8_t filter[1 << (FILTER_BITS - 3)];

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static uint64_t window_at(const uint8_t *p)
{
	uint64_t window;

	memcpy(&window, p, WINDOW);
	return window;
}

static uint64_t mix(uint64_t window)
{
	window *= 0x9e3779b97f4a7c15;
	return window ^ window >> 29;
}

static struct slot *find(uint64_t window)
{
	size_t i = mix(window) >> 8 & slot_mask;

	while (slots[i].used && slots[i].window != window)
		i = (i + 1) & slot_mask;
	return &slots[i];
}

static int is_padding(uint64_t window)
{
	uint64_t seen[4] = {};
	int distinct = 0;
	unsigned int i;

	for (i = 0; i < WINDOW; i++) {
		uint8_t byte = window >> 8 * i;

		distinct += !(seen[byte / 64] >> byte % 64 & 1);
		seen[byte / 64] |= 1ULL << byte % 64;
	}
	return distinct < LEAST_DISTINCT;
}

static void read_secrets(void)
{
	unsigned int id, least, byte;
	size_t size = 0, i, room;
	char *line = NULL, *hex;
	struct secret *s;
	int skip;

	while (getline(&line, &size, stdin) > 0) {
		if (sscanf(line, "%u %u %n", &id, &least, &skip) != 2)
			exit(2);
		secrets = realloc(secrets, (secret_count + 1) * sizeof(*secrets));
		if (!secrets)
			die("memory");
		s = &secrets[secret_count++];
		hex = line + skip;
		*s = (struct secret){ .id = id, .least = least };
		s->len = strspn(hex, "0123456789abcdef") / 2;
		s->bytes = malloc(s->len + 1);
		if (!s->bytes)
			die("memory");
		for (i = 0; i < s->len && sscanf(hex + 2 * i, "%2x", &byte) == 1; i++)
			s->bytes[i] = byte;
		windows += s->len >= WINDOW ? s->len - WINDOW + 1 : 0;
	}
	free(line);

	for (room = 1024; room < 2 * windows; room *= 2)
		;
	slot_mask = room - 1;
	slots = calloc(room, sizeof(*slots));
	if (!slots)
		die("memory");
	for (s = secrets; s < secrets + secret_count; s++)
		for (i = 0; i + WINDOW <= s->len; i++) {
			uint64_t window = window_at(s->bytes + i);
			uint64_t hash = mix(window) >> (64 - FILTER_BITS);
			struct slot *slot = find(window);

			if (slot->used || is_padding(window))
				continue;
			*slot = (struct slot){ window, s - secrets, i, 1 };
			filter[hash / 8] |= 1 << hash % 8;
		}
}

static void scan(int file, const uint8_t *memory, size_t size)
{
	const struct secret *s;
	const struct slot *slot;
	size_t at, n;

	for (at = 0; at + WINDOW <= size; at++) {
		uint64_t window = window_at(memory + at);
		uint64_t hash = mix(window) >> (64 - FILTER_BITS);

		if (!(filter[hash / 8] >> hash % 8 & 1))
			continue;
		slot = find(window);
		if (!slot->used)
			continue;
		s = &secrets[slot->secret];
		n = WINDOW;
		while (slot->start + n < s->len && at + n < size &&
		       memory[at + n] == s->bytes[slot->start + n])
			n++;
		if (n < s->least)
			continue;
		printf("%d %zu %u %u %zu\n", file, at, s->id, slot->start, n);
		at += n - WINDOW;
	}
}

int main(int argc, char **argv)
{
	struct stat st;
	void *memory;
	int i, fd;

	read_secrets();
	for (i = 1; i < argc; i++) {
		fd = open(argv[i], O_RDONLY);
		if (fd < 0 || fstat(fd, &st))
			die(argv[i]);
		memory = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (memory == MAP_FAILED)
			die(argv[i]);
		scan(i - 1, memory, st.st_size);
	}
	printf("%zu pieces\n", windows);
	return 0;
}
