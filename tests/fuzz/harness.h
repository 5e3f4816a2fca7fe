/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions for all fuzz targets: the program's output is caught, not printed, and
 * an oracle's finding ends the fuzzer, which keeps the input.
 */
#ifndef FUZZ_HARNESS_H
#define FUZZ_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdnoreturn.h>

/* The text written to a stream since caught_forget(); text[len] is NUL. */
struct caught {
	FILE *stream;
	char *text;
	size_t len, room;
};

/* The texts of stdout and stderr. */
extern struct caught output, complaints;

void caught_forget(struct caught *caught);
const char *caught_text(struct caught *caught);

/* Reports an oracle's finding. */
__attribute__((format(printf, 1, 2))) noreturn void finding(const char *format, ...);

#define EXPECT(condition)                                                             \
	do {                                                                          \
		if (!(condition))                                                     \
			finding("%s:%d: not so: %s", __FILE__, __LINE__, #condition); \
	} while (0)

/* The number of lines in the output, each of which must be JSON. */
unsigned int expect_json(void);

/* libFuzzer's entry points, which no header declares: one of the harness, one of a target. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
