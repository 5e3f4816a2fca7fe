// SPDX-License-Identifier: GPL-2.0
/* Makes words from outside safe for a terminal. */
#include "shown.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

/* Control characters are below 0x20, and from 0x7f to 0x9f: the latter as two bytes of UTF-8. */
static bool printable(const uint8_t *s, size_t len)
{
	if (len == 1)
		return *s >= ' ' && *s != 0x7f;
	return len && (s[0] != 0xc2 || s[1] >= 0xa0);
}

char *shown(const char *word)
{
	const uint8_t *s = (const uint8_t *)word;
	char *text = malloc(4 * strlen(word) + 1), *to = text;
	size_t len;

	if (!text)
		return NULL;
	while (*s) {
		len = utf8_len(s);
		if (printable(s, len)) {
			memcpy(to, s, len);
			to += len;
			s += len;
		} else {
			to += sprintf(to, "\\x%02x", *s++);
		}
	}
	*to = '\0';
	return text;
}
