// SPDX-License-Identifier: GPL-2.0
/* The JSON writer: commas, names and escapes. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../json_string.h"
#include "json.h"

/* Does a value precede the next one in the object or array that is open? */
static bool comma;

static void begin(const char *name)
{
	if (comma)
		putchar(',');
	comma = true;
	if (name) {
		put_json_string(name);
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

void json_null(const char *name)
{
	begin(name);
	fputs("null", stdout);
}

void json_string(const char *name, const char *value)
{
	begin(name);
	put_json_string(value);
}

void json_key(const char *name, const uint8_t key[KEY_LEN])
{
	char text[KEY_TEXT_SIZE];

	key_to_text(text, key);
	json_open(NULL, '{');
	json_string(name, text);
	json_close('}');
	json_end();
	explicit_bzero(text, sizeof(text));
}

void json_end(void)
{
	putchar('\n');
	comma = false;
}
