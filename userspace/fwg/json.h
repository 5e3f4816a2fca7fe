/* SPDX-License-Identifier: GPL-2.0 */
/* JSON, written to standard output piece by piece. */
#ifndef FWG_JSON_H
#define FWG_JSON_H

#include "key.h"

/*
 * @name is that of a member in the object that is open, or NULL at the top level
 * and for elements of an array.
 */
void json_open(const char *name, char bracket);
void json_close(char bracket);
void json_number(const char *name, uint64_t value);
void json_null(const char *name);

/* Seconds since 1970 and microseconds; null for 0, which means never. */
void json_time(const char *name, int64_t sec, unsigned int us);

/* Escapes what needs it. */
void json_string(const char *name, const char *value);

/* The whole output: an object with a key as its only member. */
void json_key(const char *name, const uint8_t key[KEY_LEN]);

/* Ends a value at the top level with a newline. */
void json_end(void);

#endif
