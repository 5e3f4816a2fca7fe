/* SPDX-License-Identifier: GPL-2.0 */
/* Prints the findings of the audit, for people or for programs. */
#ifndef FWG_AUDIT_REPORT_H
#define FWG_AUDIT_REPORT_H

#include "audit.h"

const char *report_verdict(const struct audit *audit);
/* @all: print all sessions and reuses. */
void report_text(const struct audit *audit, bool all);
void report_json(const struct audit *audit);

#endif
