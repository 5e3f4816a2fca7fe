// SPDX-License-Identifier: GPL-2.0
/* The JSON writer: commas, names and escapes. */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>

#include "utf8.h"

/* Does the open object or array already have a value? */
static bool comma;
/* Does the next value begin a line? */
static bool line;

static void put_string(const char *string)
{
	const uint8_t *s = (const uint8_t *)string;
	size_t len;

	putchar('"');
	for (; *s; s += len ? len : 1) {
		len = utf8_len(s);
		if (!len)
			fputs("\\ufffd", stdout);
		else if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if (*s < ' ')
			printf("\\u%04x", *s);
		else
			fwrite(s, 1, len, stdout);
	}
	putchar('"');
}

static void begin(const char *name)
{
	if (comma)
		putchar(',');
	if (line)
		putchar('\n');
	comma = true;
	line = false;
	if (name) {
		put_string(name);
		putchar(':');
	}
}

void json_open(const char *name, char bracket)
{
	begin(name);
	putchar(bracket);
	comma = false;
}

void json_close(char bracket)
{
	putchar(bracket);
	comma = true;
	line = false;
}

void json_number(const char *name, uint64_t value)
{
	begin(name);
	printf("%" PRIu64, value);
}

void json_time(const char *name, int64_t sec, unsigned int us)
{
	if (!sec) {
		json_null(name);
		return;
	}
	begin(name);
	printf("%" PRId64, sec);
	if (us)
		printf(".%06u", us);
}

void json_bool(const char *name, bool value)
{
	begin(name);
	fputs(value ? "true" : "false", stdout);
}

void json_null(const char *name)
{
	begin(name);
	fputs("null", stdout);
}

void json_string(const char *name, const char *value)
{
	begin(name);
	put_string(value);
}

void json_line(void)
{
	line = comma;
}

void json_end(void)
{
	putchar('\n');
	comma = false;
}
