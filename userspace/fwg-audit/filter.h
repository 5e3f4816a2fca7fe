/* SPDX-License-Identifier: GPL-2.0 */
/* A filter expression as tcpdump takes it, for packets of every link type. */
#ifndef FWG_AUDIT_FILTER_H
#define FWG_AUDIT_FILTER_H

#include "capture.h"

struct filter;

struct filter *filter_new(const char *expression);

/*
 * Whether @frame is wanted; all are if there is no filter. Sets *@error if the
 * expression is not one for that link type.
 */
bool filter_passes(struct filter *filter, const struct frame *frame, const char **error);

#endif
