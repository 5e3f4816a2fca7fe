// SPDX-License-Identifier: GPL-2.0
/* Catches output, reports findings, checks JSON. */
#include "harness.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct caught output, complaints;

static FILE *console;

static ssize_t append(void *cookie, const char *bytes, size_t len)
{
	struct caught *caught = cookie;

	if (caught->room - caught->len <= len) {
		caught->room = 2 * (caught->len + len + 1);
		caught->text = realloc(caught->text, caught->room);
		EXPECT(caught->text);
	}
	memcpy(caught->text + caught->len, bytes, len);
	caught->len += len;
	caught->text[caught->len] = '\0';
	return len;
}

static FILE *divert(struct caught *caught)
{
	caught->stream = fopencookie(caught, "w", (cookie_io_functions_t){ .write = append });
	EXPECT(caught->stream);
	append(caught, "", 0);
	return caught->stream;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	console = stderr;
	stdout = divert(&output);
	stderr = divert(&complaints);
	return 0;
}

void caught_forget(struct caught *caught)
{
	fflush(caught->stream);
	caught->len = 0;
	caught->text[0] = '\0';
}

const char *caught_text(struct caught *caught)
{
	fflush(caught->stream);
	return caught->text;
}

noreturn void finding(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("FINDING: ", console);
	vfprintf(console, format, arguments);
	va_end(arguments);
	if (complaints.stream)
		fprintf(console, "\nit printed: %s\nand complained: %s", caught_text(&output),
			caught_text(&complaints));
	fputc('\n', console);
	fflush(console);
	abort();
}

/* Memory for jansson without the sanitizer, which would take a third of the time. */
static struct {
	uint8_t bytes[1 << 20] __attribute__((aligned(16)));
	size_t used;
} arena;

static void *take(size_t size)
{
	void *p = arena.bytes + arena.used;

	arena.used += (size + 15) & ~15;
	EXPECT(arena.used <= sizeof(arena.bytes));
	return p;
}

static void leave(void *p)
{
	(void)p;
}

unsigned int expect_json(void)
{
	const char *text = caught_text(&output);
	size_t left = output.len;
	unsigned int lines = 0;
	json_error_t error;
	json_t *json;

	json_set_alloc_funcs(take, leave);
	while (left) {
		arena.used = 0;
		json = json_loadb(text, left,
				  JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK |
					  JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL,
				  &error);
		if (!json)
			finding("no JSON: %s", error.text);
		json_decref(json);
		lines++;
		EXPECT(text[error.position] == '\n');
		text += error.position + 1;
		left -= error.position + 1;
	}
	return lines;
}
