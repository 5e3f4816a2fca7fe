// SPDX-License-Identifier: GPL-2.0
/* Decides once whether standard output is coloured. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "terminal.h"

static bool want_colours(void)
{
	const char *mode = getenv("WG_COLOR_MODE");

	if (mode && !strcmp(mode, "always"))
		return true;
	if (mode && !strcmp(mode, "never"))
		return false;
	return isatty(STDOUT_FILENO);
}

const char *colour(enum colour colour)
{
	static const char *const escapes[] = {
		[RESET] = "\x1b[0m",  [BOLD] = "\x1b[1m",    [RED] = "\x1b[31m",
		[GREEN] = "\x1b[32m", [YELLOW] = "\x1b[33m", [CYAN] = "\x1b[36m",
	};
	static int wanted = -1;

	if (wanted < 0)
		wanted = want_colours();
	return wanted ? escapes[colour] : "";
}
