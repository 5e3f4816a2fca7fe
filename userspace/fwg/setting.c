// SPDX-License-Identifier: GPL-2.0
/* Parses settings: a function for each kind of value, a table for each syntax. */
#include <arpa/inet.h>
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "complain.h"
#include "resolve.h"
#include "setting.h"

/* A setting of an interface or of a peer: the function for the other one is NULL. */
struct setting {
	const char *name;
	int (*parse_device)(struct device *dev, const char *value);
	int (*parse_peer)(struct peer *peer, const char *value);
};

/* Accepts nothing but digits, and no value above @max. */
static bool parse_number(const char *text, int base, uint32_t max, uint32_t *number)
{
	const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
	unsigned long long value;

	if (!*text || text[strspn(text, digits)])
		return false;
	errno = 0;
	value = strtoull(text, NULL, base);
	if (errno || value > max)
		return false;
	*number = value;
	return true;
}

static int parse_listen_port(struct device *dev, const char *value)
{
	if (!resolve_port(value, &dev->listen_port)) {
		complain("Port is neither 0-65535 nor a service name: `%s'", value);
		return -1;
	}
	dev->has_listen_port = true;
	dev->listen_port_line = complaint_line();
	return 0;
}

static int parse_fwmark(struct device *dev, const char *value)
{
	const bool hex = !strncmp(value, "0x", 2);

	if (!strcasecmp(value, "off")) {
		dev->fwmark = 0;
	} else if (!parse_number(hex ? value + 2 : value, hex ? 16 : 10, UINT32_MAX,
				 &dev->fwmark)) {
		complain("Fwmark is neither 0/off nor 0-0xffffffff: `%s'", value);
		return -1;
	}
	dev->has_fwmark = true;
	dev->fwmark_line = complaint_line();
	return 0;
}

static int parse_public_key(struct peer *peer, const char *value)
{
	if (!key_from_text(peer->public_key, value, strlen(value))) {
		complain("Key is not the correct length or format: `%s'", value);
		return -1;
	}
	peer->has_public_key = true;
	peer->line = complaint_line();
	return 0;
}

/* The message does not repeat @value, which may be most of a secret. */
static int parse_secret(uint8_t key[KEY_LEN], const char *name, const char *value)
{
	if (key_from_text(key, value, strlen(value)))
		return 0;
	complain("Key is not the correct length or format: the value of `%s'", name);
	return -1;
}

static int parse_private_key(struct device *dev, const char *value)
{
	dev->has_private_key = true;
	return parse_secret(dev->private_key, "PrivateKey", value);
}

static int parse_preshared_key(struct peer *peer, const char *value)
{
	peer->has_preshared_key = true;
	return parse_secret(peer->preshared_key, "PresharedKey", value);
}

static int parse_key_file(uint8_t key[KEY_LEN], const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0) {
		warn("Unable to open `%s'", path);
		return -1;
	}
	/* An empty file removes the key. An empty pipe probably means that a command failed. */
	ret = key_read(fd, path, !lseek(fd, 0, SEEK_CUR), key);
	close(fd);
	return ret;
}

static int parse_private_key_file(struct device *dev, const char *path)
{
	dev->has_private_key = true;
	return parse_key_file(dev->private_key, path);
}

static int parse_preshared_key_file(struct peer *peer, const char *path)
{
	peer->has_preshared_key = true;
	return parse_key_file(peer->preshared_key, path);
}

static int parse_endpoint(struct peer *peer, const char *value)
{
	return resolve_endpoint(value, &peer->endpoint);
}

static int parse_persistent_keepalive(struct peer *peer, const char *value)
{
	uint32_t seconds = 0;

	if (strcasecmp(value, "off") && !parse_number(value, 10, UINT16_MAX, &seconds)) {
		complain("Persistent keepalive interval is neither 0/off nor 1-65535: `%s'", value);
		return -1;
	}
	peer->persistent_keepalive = seconds;
	peer->has_persistent_keepalive = true;
	return 0;
}

static bool has_host_bits(const struct allowed_ip *ip)
{
	const uint8_t *bytes = (const uint8_t *)&ip->v6;
	const unsigned int bits = ip->family == AF_INET ? 32 : 128;

	for (unsigned int i = ip->cidr; i < bits; i++)
		if (bytes[i / 8] & 0x80 >> i % 8)
			return true;
	return false;
}

static bool has_sign(const char *text)
{
	return *text == '+' || *text == '-';
}

/* Parses [+|-]IP[/CIDR]. Returns what is wrong with it, or NULL. */
static const char *parse_allowed_ip(struct allowed_ip *ip, const char *text)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash;
	uint32_t cidr;

	ip->remove = *text == '-';
	text += has_sign(text);
	slash = strchrnul(text, '/');
	if ((size_t)(slash - text) >= sizeof(address))
		return "Unable to parse IP address";
	memcpy(address, text, slash - text);
	address[slash - text] = '\0';

	ip->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	cidr = ip->family == AF_INET ? 32 : 128;
	if (inet_pton(ip->family, address, &ip->v6) != 1)
		return "Unable to parse IP address";
	if (*slash && !parse_number(slash + 1, 10, cidr, &cidr))
		return "AllowedIP is not in the correct format";
	ip->cidr = cidr;
	return NULL;
}

static int add_allowed_ip(struct peer *peer, const char *text)
{
	struct allowed_ip *ip = peer_add_allowed_ip(peer);
	const char *wrong;

	if (!ip)
		return -1;
	wrong = parse_allowed_ip(ip, text);
	if (wrong) {
		complain("%s: `%s'", wrong, text);
		return -1;
	}
	ip->line = complaint_line();
	if (has_sign(text))
		peer->has_signs = true;
	if (has_host_bits(ip))
		complain("Warning: AllowedIP has nonzero host part: `%s'", text);
	return 0;
}

void strip_spaces(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (!isspace((unsigned char)*text))
			*to++ = *text;
	*to = '\0';
}

static int parse_allowed_ips(struct peer *peer, const char *value)
{
	char *copy = strdup(value), *rest = copy, *text;
	int ret = 0;

	if (!copy) {
		warn("Unable to parse allowed IPs");
		return -1;
	}
	strip_spaces(copy);
	while (!ret && *copy && (text = strsep(&rest, ",")))
		ret = add_allowed_ip(peer, text);
	peer->replace_allowed_ips = !peer->has_signs;
	free(copy);
	return ret;
}

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

const struct setting *setting_by_word(const char *word)
{
	static const struct setting words[] = {
		{ "listen-port", .parse_device = parse_listen_port },
		{ "fwmark", .parse_device = parse_fwmark },
		{ "private-key", .parse_device = parse_private_key_file },
		{ "preshared-key", .parse_peer = parse_preshared_key_file },
		{ "endpoint", .parse_peer = parse_endpoint },
		{ "persistent-keepalive", .parse_peer = parse_persistent_keepalive },
		{ "allowed-ips", .parse_peer = parse_allowed_ips },
	};

	for (size_t i = 0; i < COUNT(words); i++)
		if (!strcmp(word, words[i].name))
			return &words[i];
	return NULL;
}

const struct setting *setting_by_name(const char *name, bool of_peer)
{
	static const struct setting names[] = {
		{ "ListenPort", .parse_device = parse_listen_port },
		{ "FwMark", .parse_device = parse_fwmark },
		{ "PrivateKey", .parse_device = parse_private_key },
		{ "PublicKey", .parse_peer = parse_public_key },
		{ "PresharedKey", .parse_peer = parse_preshared_key },
		{ "Endpoint", .parse_peer = parse_endpoint },
		{ "PersistentKeepalive", .parse_peer = parse_persistent_keepalive },
		{ "AllowedIPs", .parse_peer = parse_allowed_ips },
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (!strcasecmp(name, names[i].name) && setting_is_of_peer(&names[i]) == of_peer)
			return &names[i];
	return NULL;
}

bool setting_is_of_peer(const struct setting *setting)
{
	return setting->parse_peer;
}

int setting_apply(const struct setting *setting, struct device *dev, const char *value)
{
	if (setting->parse_peer)
		return setting->parse_peer(dev->last_peer, value);
	return setting->parse_device(dev, value);
}

int setting_begin_peer(struct device *dev, const char *key)
{
	struct peer *peer = device_add_peer(dev);

	return peer ? parse_public_key(peer, key) : -1;
}
