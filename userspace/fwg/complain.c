// SPDX-License-Identifier: GPL-2.0
/* Prints what is wrong with a word, and where it is. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "complain.h"

static const char *current_file;
static unsigned int current_line;

void complain_of(const char *file, unsigned int line)
{
	current_file = file;
	current_line = line;
}

const char *complaint_file(void)
{
	return current_file;
}

unsigned int complaint_line(void)
{
	return current_line;
}

void complain(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	if (current_file)
		fprintf(stderr, "%s:%u: ", current_file, current_line);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}
