// SPDX-License-Identifier: GPL-2.0
/* The grammars of the command line and of files. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "complain.h"
#include "config.h"
#include "setting.h"

/* May @setting stand here? */
static bool fits(const struct setting *setting, const struct device *dev, const char *word)
{
	if (setting_is_of_peer(setting) && !dev->last_peer) {
		complain("Invalid argument: `%s' must come after a peer", word);
		return false;
	}
	if (!setting_is_of_peer(setting) && dev->last_peer) {
		complain("Invalid argument: `%s' must come before the first peer", word);
		return false;
	}
	return true;
}

int config_from_words(struct device *dev, int count, char *words[])
{
	for (int i = 0; i < count; i++) {
		const char *word = words[i], *value = words[i + 1];
		const bool is_peer = !strcmp(word, "peer");
		const struct setting *setting = setting_by_word(word);
		int ret;

		if (!strcmp(word, "remove") && dev->last_peer) {
			dev->last_peer->remove = true;
			continue;
		}
		if (!is_peer && !setting) {
			complain("Invalid argument: `%s'", word);
			return -1;
		}
		if (++i == count) {
			complain("Invalid argument: `%s' needs a value", word);
			return -1;
		}
		if (is_peer)
			ret = setting_begin_peer(dev, value);
		else
			ret = fits(setting, dev, word) ? setting_apply(setting, dev, value) : -1;
		if (ret)
			return ret;
	}
	return 0;
}

enum section {
	NO_SECTION,
	INTERFACE,
	PEER
};

/* At the end of a section: did a peer say who it is? */
static int end_section(enum section section, const struct device *dev)
{
	if (section != PEER || dev->last_peer->has_public_key)
		return 0;
	complain("A peer is missing a public key: no `PublicKey' until here");
	return -1;
}

/* Names no more of a line than its first @word characters, and nothing that may be a key. */
static void complain_of_line(const char *line, size_t word, const char *what)
{
	if (word < sizeof("PersistentKeepalive"))
		complain("Line unrecognized: `%.*s'%s", (int)word, line, what);
	else
		complain("Line unrecognized: what it begins with is too long for a name");
}

static int begin_section(enum section *section, struct device *dev, const char *line)
{
	if (end_section(*section, dev))
		return -1;
	if (!strcasecmp(line, "[Interface]")) {
		*section = INTERFACE;
		return 0;
	}
	if (!strcasecmp(line, "[Peer]")) {
		struct peer *peer = device_add_peer(dev);

		if (!peer)
			return -1;
		/* A file tells all of a peer's allowed IPs, if need be that it has none. */
		peer->replace_allowed_ips = true;
		*section = PEER;
		return 0;
	}
	complain_of_line(line, strlen(line), " is neither [Interface] nor [Peer]");
	return -1;
}

/* NAME=VALUE, without white space; @word characters of it were one word before. */
static int read_setting(enum section section, struct device *dev, char *line, size_t word)
{
	static const char *const places[] = {
		[NO_SECTION] = " before any section",
		[INTERFACE] = " in [Interface]",
		[PEER] = " in [Peer]",
	};
	char *value = strchr(line, '=');
	const struct setting *setting = NULL;

	if (value)
		*value++ = '\0';
	if (section != NO_SECTION)
		setting = setting_by_name(line, section == PEER);
	if (setting && value && *value)
		return setting_apply(setting, dev, value);
	complain_of_line(line, word, setting ? " needs a value" : places[section]);
	return -1;
}

static int read_line(enum section *section, struct device *dev, char *line)
{
	static const char spaces[] = " \t\n\v\f\r";
	size_t word;

	line[strcspn(line, "#")] = '\0';
	line += strspn(line, spaces);
	word = strcspn(line, spaces);
	strip_spaces(line);
	if (!*line)
		return 0;
	if (*line == '[')
		return begin_section(section, dev, line);
	return read_setting(*section, dev, line, word);
}

static int read_file(struct device *dev, FILE *file, const char *path)
{
	enum section section = NO_SECTION;
	unsigned int number = 0;
	size_t size = 0;
	char *line = NULL;
	int ret = 0;

	while (!ret && getline(&line, &size, file) >= 0) {
		complain_of(path, ++number);
		ret = read_line(&section, dev, line);
		explicit_bzero(line, size);
	}
	if (!ret && ferror(file)) {
		warn("Unable to read `%s'", path);
		ret = -1;
	}
	if (!ret)
		ret = end_section(section, dev);
	complain_of(NULL, 0);
	free(line);
	return ret;
}

int config_from_file(struct device *dev, const char *path)
{
	char buffer[BUFSIZ];
	FILE *file = fopen(path, "re");
	int ret;

	if (!file) {
		warn("Unable to open `%s'", path);
		return -1;
	}
	/* Ours, for the keys in it are to be wiped. */
	setvbuf(file, buffer, _IOFBF, sizeof(buffer));
	ret = read_file(dev, file, path);
	fclose(file);
	explicit_bzero(buffer, sizeof(buffer));
	return ret;
}
