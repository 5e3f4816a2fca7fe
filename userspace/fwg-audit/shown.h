/* SPDX-License-Identifier: GPL-2.0 */
/* Makes words from outside safe for a terminal. */
#ifndef FWG_AUDIT_SHOWN_H
#define FWG_AUDIT_SHOWN_H

/* Control characters and bytes that are not UTF-8 become \xNN. NULL: memory is short. */
char *shown(const char *word);

#endif
