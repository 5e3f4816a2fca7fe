// SPDX-License-Identifier: GPL-2.0
/* Prints an interface, or a field of it, as a JSON object. */
#include <stdio.h>
#include <string.h>

#include "device_json.h"
#include "json.h"
#include "pretty.h"
#include "text.h"

static bool is_state(enum field field)
{
	return field == FIELD_PUBLIC_KEY || field == FIELD_LATEST_HANDSHAKES ||
	       field == FIELD_TRANSFER;
}

static bool wants(enum field asked, enum field field)
{
	if (asked == FIELD_CONFIG)
		return !is_state(field);
	return asked == field || asked == FIELD_ALL || asked == FIELD_DUMP;
}

static void put_key(const char *name, const uint8_t key[KEY_LEN], bool there)
{
	char text[KEY_TEXT_SIZE];

	if (!there) {
		json_null(name);
		return;
	}
	key_to_text(text, key);
	json_string(name, text);
	explicit_bzero(text, sizeof(text));
}

static void put_secret(const char *name, const uint8_t key[KEY_LEN], bool there, enum field asked)
{
	if (there && asked == FIELD_ALL && !pretty_shows_secrets())
		json_string(name, "(hidden)");
	else
		put_key(name, key, there);
}

static void put_endpoint(const struct peer *peer)
{
	char text[ENDPOINT_TEXT_SIZE];

	if (peer->endpoint.any.sa_family == AF_UNSPEC)
		json_null("endpoint");
	else
		json_string("endpoint", endpoint_text(text, &peer->endpoint));
}

static void put_allowed_ips(const struct peer *peer)
{
	char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + sizeof("/128")];

	json_open("allowed_ips", '[');
	for (const struct allowed_ip *ip = peer->allowed_ips; ip; ip = ip->next) {
		snprintf(text, sizeof(text), "%s/%u", address_text(address, ip), ip->cidr);
		json_string(NULL, text);
	}
	json_close(']');
}

static void put_peer(const struct peer *peer, enum field asked)
{
	json_open(NULL, '{');
	put_key("public_key", peer->public_key, true);
	if (wants(asked, FIELD_PRESHARED_KEYS))
		put_secret("preshared_key", peer->preshared_key, peer->has_preshared_key, asked);
	if (wants(asked, FIELD_ENDPOINTS))
		put_endpoint(peer);
	if (wants(asked, FIELD_ALLOWED_IPS))
		put_allowed_ips(peer);
	if (wants(asked, FIELD_LATEST_HANDSHAKES))
		json_time("latest_handshake", peer->latest_handshake.sec, 0);
	if (wants(asked, FIELD_TRANSFER)) {
		json_number("rx_bytes", peer->rx_bytes);
		json_number("tx_bytes", peer->tx_bytes);
	}
	if (wants(asked, FIELD_PERSISTENT_KEEPALIVE))
		json_number("persistent_keepalive", peer->persistent_keepalive);
	json_close('}');
}

void generation_json(const struct generation *gen)
{
	char tag[TAG_TEXT_SIZE];

	json_string("source", source_word(gen->source));
	json_string("check", check_word(gen->check));
	if (gen->has_tag)
		json_string("tag", tag_text(tag, gen));
	else
		json_null("tag");
	json_number("forks", gen->forks);
}

static void put_drops(const struct device *dev)
{
	if (!dev->has_drops) {
		json_null("drops");
		return;
	}
	json_open("drops", '{');
	for (uint32_t reason = 1; reason <= FORKGUARD_DROP_A_MAX; reason++)
		json_number(drop_word(reason), dev->drops[reason]);
	json_close('}');
}

static void put_forks(const struct device *dev)
{
	json_open("generation", '{');
	generation_json(&dev->generation);
	json_close('}');
	json_number("resets", dev->resets);
	if (dev->last_reset.cause == FORKGUARD_RESET_CAUSE_NONE) {
		json_null("last_reset");
		return;
	}
	json_open("last_reset", '{');
	json_string("cause", cause_word(dev->last_reset.cause));
	json_time("time", dev->last_reset.time.sec, 0);
	json_close('}');
}

void device_json(const struct device *dev, enum field asked)
{
	json_open(NULL, '{');
	json_string("interface", dev->name);
	if (wants(asked, FIELD_PRIVATE_KEY))
		put_secret("private_key", dev->private_key, dev->has_private_key, asked);
	if (wants(asked, FIELD_PUBLIC_KEY))
		put_key("public_key", dev->public_key, dev->has_public_key);
	if (wants(asked, FIELD_LISTEN_PORT))
		json_number("listen_port", dev->listen_port);
	if (wants(asked, FIELD_FWMARK))
		json_number("fwmark", dev->fwmark);
	if (asked == FIELD_ALL || asked == FIELD_DUMP) {
		put_forks(dev);
		put_drops(dev);
	}
	if (asked == FIELD_ALL || asked > FIELD_FWMARK) {
		json_open("peers", '[');
		for (const struct peer *peer = dev->peers; peer; peer = peer->next)
			put_peer(peer, asked);
		json_close(']');
	}
	json_close('}');
}
