/* SPDX-License-Identifier: GPL-2.0 */
/* Copies of what cannot be read twice, or is compressed, in temporary files without a name. */
#ifndef FWG_AUDIT_COPY_H
#define FWG_AUDIT_COPY_H

#include <stddef.h>
#include <stdint.h>

#define MAGIC_MAX 6

/* The program that decompresses what begins so, or NULL. */
const char *copy_decompressor(const uint8_t *magic, size_t len);

/*
 * They return a file descriptor, or -1. *@error is set if something went wrong,
 * perhaps when part of it was copied already.
 */
int copy_stream(int from, const char **error);
int copy_decompressed(int from, const char *program, const char **error);

#endif
