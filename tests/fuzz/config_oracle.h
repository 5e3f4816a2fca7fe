/* SPDX-License-Identifier: GPL-2.0 */
/* Properties of every configuration that fwg accepts. */
#ifndef FUZZ_CONFIG_ORACLE_H
#define FUZZ_CONFIG_ORACLE_H

#include "../../userspace/fwg/device.h"

/*
 * The messages to the kernel describe exactly @dev, however many they are. If the
 * kernel has @dev, the output of showconf means @dev.
 */
void expect_understood(const struct device *dev);

/* The file that showconf prints for the kernel's current answer means @dev. */
void expect_shown(const struct device *dev);

/* A command that fails says why, in one or more lines; one that succeeds at most warns. */
void expect_complaint(bool failed);

#endif
