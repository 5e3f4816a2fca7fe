/* SPDX-License-Identifier: GPL-2.0 */
/* Colours, used on terminals and, as in wg, as WG_COLOR_MODE says. */
#ifndef FWG_TERMINAL_H
#define FWG_TERMINAL_H

enum colour {
	RESET,
	BOLD,
	RED,
	GREEN,
	YELLOW,
	CYAN
};

/* The escape sequence, or "" if output is plain. */
const char *colour(enum colour colour);

#endif
