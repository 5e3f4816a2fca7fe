/* SPDX-License-Identifier: GPL-2.0 */
/* Copies files that are compressed or can't be read twice, to temporary files without a name. */
#ifndef FWG_AUDIT_COPY_H
#define FWG_AUDIT_COPY_H

#include <stddef.h>
#include <stdint.h>

#define MAGIC_MAX 6

/* The program that decompresses files that begin with @magic, or NULL. */
const char *copy_decompressor(const uint8_t *magic, size_t len);

/*
 * These return a file descriptor, or -1. *@error is set after an error, also if part
 * of the file was copied.
 */
int copy_stream(int from, const char **error);
int copy_decompressed(int from, const char *program, const char **error);

#endif
