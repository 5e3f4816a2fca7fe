// SPDX-License-Identifier: GPL-2.0
/* `fwg generation`: how forks of this machine are detected, and how many there were. */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "device_json.h"
#include "json.h"
#include "kernel.h"
#include "terminal.h"
#include "text.h"

/* The exit status when the check is weaker than required. */
#define UNSATISFIED 2

static void print_line(const char *label, const char *value)
{
	printf("%s%s%s: %s\n", colour(BOLD), label, colour(RESET), value);
}

static void print_generation(const struct generation *gen)
{
	char tag[TAG_TEXT_SIZE], forks[sizeof("18446744073709551615")];

	snprintf(forks, sizeof(forks), "%" PRIu64, gen->forks);
	print_line("source", source_text(gen->source));
	print_line("check", check_text(gen->check));
	print_line("tag", tag_text(tag, gen));
	print_line("forks", forks);
}

/* The check that `--require CHECK' names; NONE without it; -1 after a message. */
static int required_check(int argc, char *argv[])
{
	const char *check = argc > 2 ? argv[2] : "";

	if (argc < 2)
		return FORKGUARD_GENERATION_CHECK_NONE;
	if (strcmp(argv[1], "--require")) {
		warnx("Unexpected argument: `%s'", argv[1]);
		return -1;
	}
	if (too_many(argc, argv, 2))
		return -1;
	if (!strcmp(check, "packet"))
		return FORKGUARD_GENERATION_CHECK_PACKET;
	if (!strcmp(check, "notifier"))
		return FORKGUARD_GENERATION_CHECK_NOTIFIER;
	warnx("Invalid argument: `%s' (--require needs `packet' or `notifier')", check);
	return -1;
}

/* A newer kernel may report a check that is unknown here. It satisfies no requirement. */
static bool satisfies(uint32_t check, int required)
{
	return !required ||
	       (check >= (uint32_t)required && check <= FORKGUARD_GENERATION_CHECK_PACKET);
}

int cmd_generation(int argc, char *argv[])
{
	const bool json = take_json(&argc, argv);
	const int required = required_check(argc, argv);
	struct generation gen;

	if (required < 0 || kernel_get_generation(&gen))
		return 1;
	if (json) {
		json_open(NULL, '{');
		generation_json(&gen);
		json_close('}');
		json_end();
	} else {
		print_generation(&gen);
	}
	if (satisfies(gen.check, required))
		return 0;
	warnx("The fork check is `%s', not `%s'", check_word(gen.check), argv[2]);
	return UNSATISFIED;
}
