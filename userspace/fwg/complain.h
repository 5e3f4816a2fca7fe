/* SPDX-License-Identifier: GPL-2.0 */
/* Messages about the user's input: which word is wrong, and where. */
#ifndef FWG_COMPLAIN_H
#define FWG_COMPLAIN_H

/* Prints a line on stderr, with file and line number if it is about a file. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Sets the place that the next complaints are about; @file is NULL for the command line. */
void complain_of(const char *file, unsigned int line);

/* That place; NULL and 0 for the command line. */
const char *complaint_file(void);
unsigned int complaint_line(void);

#endif
