/* SPDX-License-Identifier: GPL-2.0 */
/* A filter expression, in tcpdump's syntax, for packets of every link type. */
#ifndef FWG_AUDIT_FILTER_H
#define FWG_AUDIT_FILTER_H

#include "capture.h"

struct filter;

struct filter *filter_new(const char *expression);

/*
 * Does @frame match? Without a filter, all do. Sets *@error if the expression is not
 * valid for the frame's link type.
 */
bool filter_passes(struct filter *filter, const struct frame *frame, const char **error);

#endif
