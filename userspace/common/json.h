/* SPDX-License-Identifier: GPL-2.0 */
/* JSON, written to standard output piece by piece. */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <stdbool.h>
#include <stdint.h>

/*
 * @name is the name of a member of the open object; it is NULL at the top level and
 * for elements of an array.
 */
void json_open(const char *name, char bracket);
void json_close(char bracket);
void json_number(const char *name, uint64_t value);
void json_bool(const char *name, bool value);
void json_null(const char *name);

/* Seconds since 1970 and microseconds; null for 0, which means never. */
void json_time(const char *name, int64_t sec, unsigned int us);

/* Escapes special characters. Bytes that are not UTF-8 become U+FFFD. */
void json_string(const char *name, const char *value);

/* Breaks the line before the next element or member, to keep long documents readable. */
void json_line(void);

/* Ends a value at the top level with a newline. */
void json_end(void);

#endif
