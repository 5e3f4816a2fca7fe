/* SPDX-License-Identifier: GPL-2.0 */
/* JSON, written to standard output piece by piece. */
#ifndef FWG_JSON_H
#define FWG_JSON_H

#include "key.h"

/*
 * @name is that of the member in the object that is open; NULL at the top and
 * for the elements of an array.
 */
void json_open(const char *name, char bracket);
void json_close(char bracket);
void json_number(const char *name, uint64_t value);
void json_null(const char *name);

/* Escapes what needs it. */
void json_string(const char *name, const char *value);

/* All of the output: an object whose one member is a key. */
void json_key(const char *name, const uint8_t key[KEY_LEN]);

/* Ends what is at the top by a newline. */
void json_end(void);

#endif
