// SPDX-License-Identifier: GPL-2.0
/* Parses the arguments of `fwg set`, and configuration files. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "complain.h"
#include "config.h"
#include "setting.h"

/* May @setting come here? Returns false after a message. */
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

/* A line. Its memory is wiped before it is freed. */
struct text {
	char *p;
	size_t size;
};

enum section {
	NO_SECTION,
	INTERFACE,
	PEER
};

/* A [Peer] section must have a public key. */
static int end_section(enum section section, const struct device *dev)
{
	if (section != PEER || dev->last_peer->has_public_key)
		return 0;
	complain("A peer is missing a public key: [Peer] without `PublicKey' ends here");
	return -1;
}

/* Repeats at most the first @word characters of the line, and nothing that may be a key. */
static void complain_of_line(const char *line, size_t word, const char *what)
{
	if (word < sizeof("PersistentKeepalive"))
		complain("Line unrecognized: `%.*s'%s", (int)word, line, what);
	else
		complain("Line unrecognized: its first word is too long");
}

/* Is @name a setting of wg-quick, which `wg-quick strip' removes? */
static bool is_of_wg_quick(const char *name)
{
	static const char *const names[] = {
		"Address", "DNS",     "MTU",	  "Table",	"PreUp",
		"PostUp",  "PreDown", "PostDown", "SaveConfig",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcasecmp(name, names[i]))
			return true;
	return false;
}

/* wg-quick takes a file name without a slash for an interface. */
static void complain_of_wg_quick(const char *name)
{
	const char *path = complaint_file();

	complain("Line unrecognized: `%s' in [Interface] (wg-quick's: use <(wg-quick strip %s%s))",
		 name, strchr(path, '/') ? "" : "./", path);
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
		/* A file lists all allowed IPs of a peer, so others are removed. */
		peer->replace_allowed_ips = true;
		*section = PEER;
		return 0;
	}
	complain_of_line(line, strlen(line), " is neither [Interface] nor [Peer]");
	return -1;
}

/* Parses NAME=VALUE without white space. Messages repeat at most @word characters of it. */
static int parse_setting(enum section section, struct device *dev, char *line, size_t word)
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
	if (section == INTERFACE && is_of_wg_quick(line))
		complain_of_wg_quick(line);
	else
		complain_of_line(line, word, setting ? " needs a value" : places[section]);
	return -1;
}

static int parse_line(enum section *section, struct device *dev, char *line)
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
	return parse_setting(*section, dev, line, word);
}

static void wipe(struct text *line)
{
	if (line->size)
		explicit_bzero(line->p, line->size);
}

static bool grow(struct text *line)
{
	const size_t size = line->size ? 2 * line->size : 128;
	char *p = malloc(size);

	if (!p)
		return false;
	if (line->size)
		memcpy(p, line->p, line->size);
	wipe(line);
	free(line->p);
	*line = (struct text){ p, size };
	return true;
}

/*
 * Reads a line. getline() would free memory that may hold a key without wiping it.
 * Returns 1, 0 at the end of the file, or -1.
 */
static int get_line(struct text *line, FILE *file)
{
	size_t len = 0;
	int c;

	do {
		if (len + 1 >= line->size && !grow(line))
			return -1;
		c = getc(file);
		if (c != EOF)
			line->p[len++] = c;
	} while (c != EOF && c != '\n');
	line->p[len] = '\0';
	return ferror(file) ? -1 : len > 0;
}

static int read_file(struct device *dev, FILE *file, const char *path)
{
	enum section section = NO_SECTION;
	unsigned int number = 0;
	struct text line = { 0 };
	int got, ret = 0;

	while (!ret && (got = get_line(&line, file)) > 0) {
		complain_of(path, ++number);
		ret = parse_line(&section, dev, line.p);
		wipe(&line);
	}
	if (!ret && got < 0) {
		warn("Unable to read `%s'", path);
		ret = -1;
	}
	if (!ret)
		ret = end_section(section, dev);
	complain_of(NULL, 0);
	wipe(&line);
	free(line.p);
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
	/* Our own buffer, so that keys in it can be wiped. */
	setvbuf(file, buffer, _IOFBF, sizeof(buffer));
	ret = read_file(dev, file, path);
	fclose(file);
	explicit_bzero(buffer, sizeof(buffer));
	return ret;
}
