// SPDX-License-Identifier: GPL-2.0
/* `fwg show` for people: what `wg show` prints, and the state of fork detection. */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pretty.h"
#include "terminal.h"
#include "text.h"

bool pretty_shows_secrets(void)
{
	const char *hide = getenv("WG_HIDE_KEYS");

	return hide && !strcmp(hide, "never");
}

struct place {
	const struct peer *peer;
	size_t number;
};

/* Peers with the latest handshake come first; otherwise the kernel's order is kept. */
static int compare(const void *first, const void *second)
{
	const struct place *a = first, *b = second;
	const struct moment *s = &a->peer->latest_handshake;
	const struct moment *t = &b->peer->latest_handshake;

	if (s->sec != t->sec)
		return s->sec > t->sec ? -1 : 1;
	if (s->nsec != t->nsec)
		return s->nsec > t->nsec ? -1 : 1;
	return a->number < b->number ? -1 : 1;
}

static void begin(const char *label)
{
	printf("  %s%s%s: ", colour(BOLD), label, colour(RESET));
}

static void print_head(const char *kind, enum colour tint, const char *name)
{
	printf("%s%s%s%s: %s%s%s\n", colour(tint), colour(BOLD), kind, colour(RESET), colour(tint),
	       name, colour(RESET));
}

static void print_secret(const char *label, const uint8_t key[KEY_LEN])
{
	begin(label);
	if (pretty_shows_secrets())
		key_print_line(key);
	else
		puts("(hidden)");
}

static void print_duration(uint64_t seconds)
{
	static const struct {
		const char *name;
		uint64_t length;
	} units[] = {
		{ "year", 365 * 24 * 60 * 60 },
		{ "day", 24 * 60 * 60 },
		{ "hour", 60 * 60 },
		{ "minute", 60 },
		{ "second", 1 },
	};
	const char *separator = "";

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		const uint64_t n = seconds / units[i].length;

		seconds %= units[i].length;
		if (!n)
			continue;
		printf("%s%" PRIu64 " %s%s%s%s", separator, n, colour(CYAN), units[i].name,
		       n == 1 ? "" : "s", colour(RESET));
		separator = ", ";
	}
}

static void print_age(const struct moment *then)
{
	const int64_t now = time(NULL);

	if (now == then->sec) {
		fputs("Now", stdout);
	} else if (now < then->sec) {
		printf("(%sSystem clock wound backward; connection problems may ensue.%s)",
		       colour(RED), colour(RESET));
	} else {
		print_duration((uint64_t)now - (uint64_t)then->sec);
		fputs(" ago", stdout);
	}
}

static void print_bytes(uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double amount = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		printf("%" PRIu64 " %sB%s", bytes, colour(CYAN), colour(RESET));
		return;
	}
	for (bytes /= 1024; bytes >= 1024 && i < 3; bytes /= 1024, i++)
		amount /= 1024;
	printf("%.2f %s%s%s", amount, colour(CYAN), units[i], colour(RESET));
}

static void print_generation(const struct device *dev)
{
	char tag[TAG_TEXT_SIZE];

	begin("generation");
	fputs(source_text(dev->generation.source), stdout);
	if (dev->generation.has_tag)
		printf(", tag %s", tag_text(tag, &dev->generation));
	putchar('\n');
	begin("fork check");
	puts(check_text(dev->generation.check));
	begin("forks seen");
	printf("%" PRIu64 "\n", dev->generation.forks);
	begin("last reset");
	if (dev->last_reset.cause == FORKGUARD_RESET_CAUSE_NONE) {
		puts("(none)");
		return;
	}
	print_age(&dev->last_reset.time);
	printf(", cause: %s, %" PRIu64 " in all\n", cause_word(dev->last_reset.cause), dev->resets);
}

static void print_interface(const struct device *dev)
{
	fputs(colour(RESET), stdout);
	print_head("interface", GREEN, dev->name);
	if (dev->has_public_key) {
		begin("public key");
		key_print_line(dev->public_key);
	}
	if (dev->has_private_key)
		print_secret("private key", dev->private_key);
	if (dev->listen_port) {
		begin("listening port");
		printf("%u\n", dev->listen_port);
	}
	if (dev->fwmark) {
		begin("fwmark");
		printf("0x%" PRIx32 "\n", dev->fwmark);
	}
	print_generation(dev);
}

static void print_allowed_ips(const struct peer *peer)
{
	char text[INET6_ADDRSTRLEN];

	begin("allowed ips");
	if (!peer->allowed_ips)
		puts("(none)");
	for (const struct allowed_ip *ip = peer->allowed_ips; ip; ip = ip->next)
		printf("%s%s/%s%u%s", address_text(text, ip), colour(CYAN), colour(RESET), ip->cidr,
		       ip->next ? ", " : "\n");
}

static void print_peer(const struct peer *peer)
{
	char key[KEY_TEXT_SIZE], endpoint[ENDPOINT_TEXT_SIZE];

	putchar('\n');
	key_to_text(key, peer->public_key);
	print_head("peer", YELLOW, key);
	if (peer->has_preshared_key)
		print_secret("preshared key", peer->preshared_key);
	if (peer->endpoint.any.sa_family != AF_UNSPEC) {
		begin("endpoint");
		puts(endpoint_text(endpoint, &peer->endpoint));
	}
	print_allowed_ips(peer);
	if (peer->latest_handshake.sec) {
		begin("latest handshake");
		print_age(&peer->latest_handshake);
		putchar('\n');
	}
	if (peer->rx_bytes || peer->tx_bytes) {
		begin("transfer");
		print_bytes(peer->rx_bytes);
		fputs(" received, ", stdout);
		print_bytes(peer->tx_bytes);
		puts(" sent");
	}
	if (peer->persistent_keepalive) {
		begin("persistent keepalive");
		fputs("every ", stdout);
		print_duration(peer->persistent_keepalive);
		putchar('\n');
	}
}

int pretty_print(const struct device *dev)
{
	struct place *places;
	size_t count = 0, i = 0;

	for (const struct peer *peer = dev->peers; peer; peer = peer->next)
		count++;
	places = calloc(count + 1, sizeof(*places));
	if (!places) {
		warn("Unable to sort the peers");
		return -1;
	}
	for (const struct peer *peer = dev->peers; peer; peer = peer->next, i++)
		places[i] = (struct place){ .peer = peer, .number = i };
	qsort(places, count, sizeof(*places), compare);

	print_interface(dev);
	for (i = 0; i < count; i++)
		print_peer(places[i].peer);
	free(places);
	return 0;
}
