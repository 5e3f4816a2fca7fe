/* SPDX-License-Identifier: GPL-2.0 */
/* What must be true of any configuration that fwg has understood. */
#ifndef FUZZ_CONFIG_ORACLE_H
#define FUZZ_CONFIG_ORACLE_H

#include "../../userspace/fwg/device.h"

/*
 * What the kernel is told is @dev, whole and nothing else, in however many
 * messages; and a kernel that has @dev gives a showconf that means @dev.
 */
void expect_understood(const struct device *dev);

/* The file that showconf prints of what the kernel answers now means @dev. */
void expect_shown(const struct device *dev);

/* Whoever fails says why, in one or more lines, and whoever doesn't only warns. */
void expect_complaint(bool failed);

#endif
