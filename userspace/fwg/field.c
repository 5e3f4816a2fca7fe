// SPDX-License-Identifier: GPL-2.0
/* Prints a field of an interface or its peers, for scripts. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "field.h"
#include "text.h"

static const char *const names[] = {
	[FIELD_PUBLIC_KEY] = "public-key",
	[FIELD_PRIVATE_KEY] = "private-key",
	[FIELD_LISTEN_PORT] = "listen-port",
	[FIELD_FWMARK] = "fwmark",
	[FIELD_PEERS] = "peers",
	[FIELD_PRESHARED_KEYS] = "preshared-keys",
	[FIELD_ENDPOINTS] = "endpoints",
	[FIELD_ALLOWED_IPS] = "allowed-ips",
	[FIELD_LATEST_HANDSHAKES] = "latest-handshakes",
	[FIELD_TRANSFER] = "transfer",
	[FIELD_PERSISTENT_KEEPALIVE] = "persistent-keepalive",
	[FIELD_DUMP] = "dump",
};

enum field field_by_name(const char *name)
{
	for (enum field f = FIELD_ALL + 1; f <= FIELD_DUMP; f++)
		if (!strcmp(name, names[f]))
			return f;
	return FIELD_ALL;
}

static void print_key(const uint8_t key[KEY_LEN], bool there)
{
	char text[KEY_TEXT_SIZE];

	if (there)
		key_to_text(text, key);
	fputs(there ? text : "(none)", stdout);
	explicit_bzero(text, sizeof(text));
}

static void print_endpoint(const struct peer *peer)
{
	char text[ENDPOINT_TEXT_SIZE];

	fputs(endpoint_text(text, &peer->endpoint), stdout);
}

static void print_allowed_ips(const struct peer *peer, char separator)
{
	char text[INET6_ADDRSTRLEN];

	if (!peer->allowed_ips)
		fputs("(none)", stdout);
	for (const struct allowed_ip *ip = peer->allowed_ips; ip; ip = ip->next) {
		printf("%s/%u", address_text(text, ip), ip->cidr);
		if (ip->next)
			putchar(separator);
	}
}

static void print_persistent_keepalive(const struct peer *peer)
{
	if (peer->persistent_keepalive)
		printf("%u", peer->persistent_keepalive);
	else
		fputs("off", stdout);
}

static void print_fwmark(const struct device *dev)
{
	if (dev->fwmark)
		printf("0x%" PRIx32, dev->fwmark);
	else
		fputs("off", stdout);
}

static void print_of_device(const struct device *dev, enum field field)
{
	switch (field) {
	case FIELD_PUBLIC_KEY:
		print_key(dev->public_key, dev->has_public_key);
		break;
	case FIELD_PRIVATE_KEY:
		print_key(dev->private_key, dev->has_private_key);
		break;
	case FIELD_LISTEN_PORT:
		printf("%u", dev->listen_port);
		break;
	case FIELD_FWMARK:
		print_fwmark(dev);
		break;
	case FIELD_DUMP:
		print_key(dev->private_key, dev->has_private_key);
		putchar('\t');
		print_key(dev->public_key, dev->has_public_key);
		printf("\t%u\t", dev->listen_port);
		print_fwmark(dev);
		break;
	default:
		break;
	}
}

static void print_of_peer(const struct peer *peer, enum field field)
{
	switch (field) {
	case FIELD_PRESHARED_KEYS:
		print_key(peer->preshared_key, peer->has_preshared_key);
		break;
	case FIELD_ENDPOINTS:
		print_endpoint(peer);
		break;
	case FIELD_ALLOWED_IPS:
		print_allowed_ips(peer, ' ');
		break;
	case FIELD_LATEST_HANDSHAKES:
		printf("%" PRId64, peer->latest_handshake.sec);
		break;
	case FIELD_TRANSFER:
		printf("%" PRIu64 "\t%" PRIu64, peer->rx_bytes, peer->tx_bytes);
		break;
	case FIELD_PERSISTENT_KEEPALIVE:
		print_persistent_keepalive(peer);
		break;
	case FIELD_DUMP:
		print_key(peer->preshared_key, peer->has_preshared_key);
		putchar('\t');
		print_endpoint(peer);
		putchar('\t');
		print_allowed_ips(peer, ',');
		printf("\t%" PRId64 "\t%" PRIu64 "\t%" PRIu64 "\t", peer->latest_handshake.sec,
		       peer->rx_bytes, peer->tx_bytes);
		print_persistent_keepalive(peer);
		break;
	default:
		break;
	}
}

static bool is_of_device(enum field field)
{
	return field <= FIELD_FWMARK || field == FIELD_DUMP;
}

static void begin_line(const struct device *dev, bool with_name)
{
	if (with_name)
		printf("%s\t", dev->name);
}

void field_print(const struct device *dev, enum field field, bool with_name)
{
	/* As in wg, only the first line has the name: a bug that scripts may rely on. */
	const bool name_once = field == FIELD_ENDPOINTS;

	if (is_of_device(field) || name_once)
		begin_line(dev, with_name);
	if (is_of_device(field)) {
		print_of_device(dev, field);
		putchar('\n');
		if (field != FIELD_DUMP)
			return;
	}
	for (const struct peer *peer = dev->peers; peer; peer = peer->next) {
		begin_line(dev, with_name && !name_once);
		print_key(peer->public_key, true);
		if (field != FIELD_PEERS)
			putchar('\t');
		print_of_peer(peer, field);
		putchar('\n');
	}
}
