/* SPDX-License-Identifier: GPL-2.0 */
/* Messages about what the user wrote: where, and which word. */
#ifndef FWG_COMPLAIN_H
#define FWG_COMPLAIN_H

/* A line on stderr, with file and line if it is about a file. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What the next complaints are about; NULL: the command line. */
void complain_of(const char *file, unsigned int line);

/* The line they are about; 0: the command line. */
unsigned int complaint_line(void);

#endif
