// SPDX-License-Identifier: GPL-2.0
/* Understands settings: one function a kind of value, one table of words. */
#include <arpa/inet.h>
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "config.h"
#include "resolve.h"

/* The digits of @text and nothing else; false beyond @max. */
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
		warnx("Not a port from 0 to 65535: `%s'", value);
		return -1;
	}
	dev->has_listen_port = true;
	return 0;
}

static int parse_fwmark(struct device *dev, const char *value)
{
	const bool hex = !strncmp(value, "0x", 2);

	if (!strcasecmp(value, "off")) {
		dev->fwmark = 0;
	} else if (!parse_number(hex ? value + 2 : value, hex ? 16 : 10, UINT32_MAX,
				 &dev->fwmark)) {
		warnx("Not `off' nor a mark from 0 to 0xffffffff: `%s'", value);
		return -1;
	}
	dev->has_fwmark = true;
	return 0;
}

static int parse_key(uint8_t key[KEY_LEN], const char *value)
{
	if (key_from_text(key, value, strlen(value)))
		return 0;
	warnx("Not a key of %d base64 characters: `%s'", KEY_TEXT_LEN, value);
	return -1;
}

static int parse_key_file(uint8_t key[KEY_LEN], const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0) {
		warn("Unable to open `%s'", path);
		return -1;
	}
	ret = key_read(fd, path, true, key);
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
		warnx("Not `off' nor seconds from 0 to 65535: `%s'", value);
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

/* IP[/CIDR] */
static bool parse_allowed_ip(struct allowed_ip *ip, const char *text)
{
	const char *slash = strchrnul(text, '/');
	char address[INET6_ADDRSTRLEN];
	uint32_t cidr;

	if ((size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, slash - text);
	address[slash - text] = '\0';

	ip->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	cidr = ip->family == AF_INET ? 32 : 128;
	if (inet_pton(ip->family, address, &ip->v6) != 1 ||
	    (*slash && !parse_number(slash + 1, 10, cidr, &cidr)))
		return false;
	ip->cidr = cidr;
	return true;
}

static int add_allowed_ip(struct peer *peer, const char *text)
{
	struct allowed_ip *ip = peer_add_allowed_ip(peer);

	if (!ip)
		return -1;
	if (!parse_allowed_ip(ip, text)) {
		warnx("Not an IP address with its prefix length: `%s'", text);
		return -1;
	}
	if (has_host_bits(ip))
		warnx("Warning: bits beyond the prefix are ignored: `%s'", text);
	return 0;
}

static void strip_spaces(char *text)
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
		warn("Unable to keep allowed IPs");
		return -1;
	}
	strip_spaces(copy);
	peer->replace_allowed_ips = true;
	while (!ret && *copy && (text = strsep(&rest, ",")))
		ret = add_allowed_ip(peer, text);
	free(copy);
	return ret;
}

/* Each has one of the functions: it belongs to the interface or to a peer. */
static const struct setting {
	const char *word;
	int (*parse_device)(struct device *dev, const char *value);
	int (*parse_peer)(struct peer *peer, const char *value);
} settings[] = {
	{ "listen-port", .parse_device = parse_listen_port },
	{ "fwmark", .parse_device = parse_fwmark },
	{ "private-key", .parse_device = parse_private_key_file },
	{ "preshared-key", .parse_peer = parse_preshared_key_file },
	{ "endpoint", .parse_peer = parse_endpoint },
	{ "persistent-keepalive", .parse_peer = parse_persistent_keepalive },
	{ "allowed-ips", .parse_peer = parse_allowed_ips },
};

static const struct setting *find_setting(const char *word)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		if (!strcmp(word, settings[i].word))
			return &settings[i];
	return NULL;
}

static int apply(const struct setting *setting, struct device *dev, const char *value)
{
	if (setting->parse_device && dev->last_peer) {
		warnx("`%s' must come before the first peer", setting->word);
		return -1;
	}
	if (setting->parse_peer && !dev->last_peer) {
		warnx("`%s' must come after a peer", setting->word);
		return -1;
	}
	if (setting->parse_device)
		return setting->parse_device(dev, value);
	return setting->parse_peer(dev->last_peer, value);
}

static int begin_peer(struct device *dev, const char *key)
{
	struct peer *peer = device_add_peer(dev);

	return peer ? parse_key(peer->public_key, key) : -1;
}

int config_from_words(struct device *dev, int count, char *words[])
{
	for (int i = 0; i < count; i++) {
		const char *word = words[i], *value = words[i + 1];
		const bool is_peer = !strcmp(word, "peer");
		const struct setting *setting = find_setting(word);
		int ret;

		if (!strcmp(word, "remove") && dev->last_peer) {
			dev->last_peer->remove = true;
			continue;
		}
		if (!is_peer && !setting) {
			warnx("Not a setting: `%s'", word);
			return -1;
		}
		if (++i == count) {
			warnx("`%s' needs a value", word);
			return -1;
		}
		ret = is_peer ? begin_peer(dev, value) : apply(setting, dev, value);
		if (ret)
			return ret;
	}
	return 0;
}
