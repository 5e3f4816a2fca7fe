// SPDX-License-Identifier: GPL-2.0
/* `fwg generation`: how forks of this machine are noticed, and how many were. */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "device_json.h"
#include "json.h"
#include "kernel.h"
#include "terminal.h"
#include "text.h"

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

int cmd_generation(int argc, char *argv[])
{
	const bool json = take_json(&argc, argv);
	struct generation gen;

	if (too_many(argc, argv, 0) || kernel_get_generation(&gen))
		return 1;
	if (json) {
		json_open(NULL, '{');
		generation_json(&gen);
		json_close('}');
		json_end();
	} else {
		print_generation(&gen);
	}
	return 0;
}
