/* SPDX-License-Identifier: GPL-2.0 */
/* Colours on a terminal; WG_COLOR_MODE overrides, as for wg. */
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

/* The escape sequence, or "" when the output is to be plain. */
const char *colour(enum colour colour);

#endif
