/* SPDX-License-Identifier: GPL-2.0 */
/* What the audit found, for people and for programs. */
#ifndef FWG_AUDIT_REPORT_H
#define FWG_AUDIT_REPORT_H

#include "audit.h"

const char *report_verdict(const struct audit *audit);
void report_text(const struct audit *audit);
void report_json(const struct audit *audit);

#endif
