/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keys: 32 bytes in memory, 44 characters of base64 as text. Nothing here
 * branches on a byte of a key.
 */
#ifndef FWG_KEY_H
#define FWG_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/forkguard.h>

#define KEY_LEN FORKGUARD_KEY_LEN
#define KEY_TEXT_LEN 44
#define KEY_TEXT_SIZE (KEY_TEXT_LEN + 1)

void key_to_text(char text[KEY_TEXT_SIZE], const uint8_t key[KEY_LEN]);

/* Returns false, and zeroes @key, unless @text is the canonical form of a key. */
bool key_from_text(uint8_t key[KEY_LEN], const char *text, size_t len);

bool key_is_zero(const uint8_t key[KEY_LEN]);
bool key_equal(const uint8_t a[KEY_LEN], const uint8_t b[KEY_LEN]);

/*
 * Reads a key from @fd, up to the end of the file; messages call the file @name.
 * Only white space or NUL bytes may follow the key. An empty file is the zero key
 * if @may_be_empty. Returns 0, or -1 after a message.
 */
int key_read(int fd, const char *name, bool may_be_empty, uint8_t key[KEY_LEN]);

/* Prints the base64 form and a newline, or a JSON object with this only member. */
void key_print_line(const uint8_t key[KEY_LEN]);
void key_print_json(const char *name, const uint8_t key[KEY_LEN]);

#endif
