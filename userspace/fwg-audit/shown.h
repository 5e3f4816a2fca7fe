/* SPDX-License-Identifier: GPL-2.0 */
/* Words from outside, as a terminal may see them. */
#ifndef FWG_AUDIT_SHOWN_H
#define FWG_AUDIT_SHOWN_H

/* Control characters and what is no UTF-8 become \xNN. NULL: out of memory. */
char *shown(const char *word);

#endif
