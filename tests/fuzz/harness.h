/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every fuzz target needs: the program's output is caught instead of
 * printed, and what an oracle finds wrong ends the fuzzer, input kept.
 */
#ifndef FUZZ_HARNESS_H
#define FUZZ_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdnoreturn.h>

/* What was written to a stream since caught_forget(); text[len] is NUL. */
struct caught {
	FILE *stream;
	char *text;
	size_t len, room;
};

/* They are stdout and stderr. */
extern struct caught output, complaints;

void caught_forget(struct caught *caught);
const char *caught_text(struct caught *caught);

/* An oracle's finding. */
__attribute__((format(printf, 1, 2))) noreturn void finding(const char *format, ...);

#define EXPECT(condition)                                                             \
	do {                                                                          \
		if (!(condition))                                                     \
			finding("%s:%d: not so: %s", __FILE__, __LINE__, #condition); \
	} while (0)

/* Of how many lines of JSON the output is made; it must have nothing else. */
unsigned int expect_json(void);

/* libFuzzer's doors, which no header declares: the harness has the first, a target the second. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
