// SPDX-License-Identifier: GPL-2.0
/* Errors: printed on stderr at once, and kept for the report. */
#define _GNU_SOURCE
#include "complaints.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void die(const char *format, ...)
{
	va_list args;

	fputs("fwg-audit: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

void die_of_memory(void)
{
	die("out of memory");
}

void complain(struct complaints *complaints, const char *format, ...)
{
	va_list args;
	char **list;

	list = realloc(complaints->list, (complaints->count + 1) * sizeof(*list));
	if (!list)
		die_of_memory();
	complaints->list = list;
	va_start(args, format);
	if (vasprintf(&list[complaints->count], format, args) < 0)
		die_of_memory();
	va_end(args);
	fprintf(stderr, "fwg-audit: %s\n", list[complaints->count++]);
}
