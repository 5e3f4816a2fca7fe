/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parses a configuration into a struct device. Both functions return 0, or -1
 * after a message that names the wrong word.
 */
#ifndef FWG_CONFIG_H
#define FWG_CONFIG_H

#include "device.h"

/* The words of `fwg set` after the interface. */
int config_from_words(struct device *dev, int count, char *words[]);

/* A configuration file, as `fwg showconf` prints it. */
int config_from_file(struct device *dev, const char *path);

#endif
