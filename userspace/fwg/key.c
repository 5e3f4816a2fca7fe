// SPDX-License-Identifier: GPL-2.0
/* Converts, compares and reads keys, in constant time, with libsodium. */
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "json.h"
#include "key.h"

/* These functions do not need sodium_init(), which may block on the RNG. */

void key_to_text(char text[KEY_TEXT_SIZE], const uint8_t key[KEY_LEN])
{
	sodium_bin2base64(text, KEY_TEXT_SIZE, key, KEY_LEN, sodium_base64_VARIANT_ORIGINAL);
}

bool key_from_text(uint8_t key[KEY_LEN], const char *text, size_t len)
{
	char again[KEY_TEXT_SIZE];
	size_t key_len = 0;
	bool good = false;

	if (len == KEY_TEXT_LEN &&
	    !sodium_base642bin(key, KEY_LEN, text, len, NULL, &key_len, NULL,
			       sodium_base64_VARIANT_ORIGINAL) &&
	    key_len == KEY_LEN) {
		/* Check again, because libsodium accepts bytes from 0x80 on as letters. */
		key_to_text(again, key);
		good = !sodium_memcmp(again, text, KEY_TEXT_LEN);
		explicit_bzero(again, sizeof(again));
	}
	if (!good)
		explicit_bzero(key, KEY_LEN);
	return good;
}

bool key_is_zero(const uint8_t key[KEY_LEN])
{
	return sodium_is_zero(key, KEY_LEN);
}

bool key_equal(const uint8_t a[KEY_LEN], const uint8_t b[KEY_LEN])
{
	return !sodium_memcmp(a, b, KEY_LEN);
}

/*
 * Reads without stdio, whose buffer would keep a copy of the secret. Returns the length
 * of @text, less than KEY_TEXT_LEN at the end of the file, or -1 after a message.
 */
static ssize_t read_text(int fd, const char *name, char text[KEY_TEXT_LEN])
{
	size_t len = 0;
	char c;

	for (;;) {
		ssize_t n = len < KEY_TEXT_LEN ? read(fd, text + len, KEY_TEXT_LEN - len) :
						 read(fd, &c, 1);

		if (n < 0) {
			warn("Unable to read a key from `%s'", name);
			return -1;
		}
		if (!n)
			return len;
		if (len < KEY_TEXT_LEN) {
			len += n;
		} else if (c && !isspace((unsigned char)c)) {
			warnx("Trailing characters found after key in `%s'", name);
			return -1;
		}
	}
}

int key_read(int fd, const char *name, bool may_be_empty, uint8_t key[KEY_LEN])
{
	char text[KEY_TEXT_LEN];
	ssize_t len = read_text(fd, name, text);
	int ret = -1;

	if (!len && may_be_empty) {
		memset(key, 0, KEY_LEN);
		ret = 0;
	} else if (len >= 0 && key_from_text(key, text, len)) {
		ret = 0;
	} else if (len >= 0) {
		warnx("Key is not the correct length or format: the content of `%s'", name);
	}
	explicit_bzero(text, sizeof(text));
	return ret;
}

void key_print_line(const uint8_t key[KEY_LEN])
{
	char text[KEY_TEXT_SIZE];

	key_to_text(text, key);
	puts(text);
	explicit_bzero(text, sizeof(text));
}

void key_print_json(const char *name, const uint8_t key[KEY_LEN])
{
	char text[KEY_TEXT_SIZE];

	key_to_text(text, key);
	json_open(NULL, '{');
	json_string(name, text);
	json_close('}');
	json_end();
	explicit_bzero(text, sizeof(text));
}
