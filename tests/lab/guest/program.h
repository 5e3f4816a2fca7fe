/* SPDX-License-Identifier: GPL-2.0 */
/* Functions for the small programs that run in guests. */
#ifndef _PROGRAM_H
#define _PROGRAM_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NS_PER_S 1000000000ULL

static inline void die(const char *what, const char *word)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, word);
	exit(1);
}

/* Parses a number from 1 to @max. */
static inline unsigned long to_number(const char *word, unsigned long max)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(word, &end, 10);
	if (errno || end == word || *end || !value || value > max)
		die("not a number in range", word);
	return value;
}

static inline uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

/* Waits until now() is @then. */
static inline void wait_until(uint64_t then)
{
	struct timespec until = { then / NS_PER_S, then % NS_PER_S };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

#endif /* _PROGRAM_H */
