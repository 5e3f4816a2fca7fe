/* SPDX-License-Identifier: GPL-2.0 */
/* Colours, used on terminals unless WG_COLOR_MODE says otherwise, as in wg. */
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

/* Its escape sequence, or "" if output is plain. */
const char *colour(enum colour colour);

#endif
