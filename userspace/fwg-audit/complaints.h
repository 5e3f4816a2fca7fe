/* SPDX-License-Identifier: GPL-2.0 */
/* Errors: printed on stderr at once, and kept for the report. */
#ifndef FWG_AUDIT_COMPLAINTS_H
#define FWG_AUDIT_COMPLAINTS_H

#include <stddef.h>
#include <stdnoreturn.h>

struct complaints {
	char **list;
	size_t count;
};

__attribute__((format(printf, 2, 3))) void complain(struct complaints *complaints,
						    const char *format, ...);

/* For errors after which no report is possible. */
__attribute__((format(printf, 1, 2))) noreturn void die(const char *format, ...);
noreturn void die_of_memory(void);

#endif
