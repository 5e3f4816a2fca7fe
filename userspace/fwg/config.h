/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From what a user wrote to a struct device. Both functions return 0, or -1
 * after a message that names the word which is wrong.
 */
#ifndef FWG_CONFIG_H
#define FWG_CONFIG_H

#include "device.h"

/* The words of `fwg set` after the interface. */
int config_from_words(struct device *dev, int count, char *words[]);

/* A file as `fwg showconf` writes it, and wg(8) describes it. */
int config_from_file(struct device *dev, const char *path);

#endif
