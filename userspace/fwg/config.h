/* SPDX-License-Identifier: GPL-2.0 */
/* From the words of a user to a struct device. */
#ifndef FWG_CONFIG_H
#define FWG_CONFIG_H

#include "device.h"

/*
 * The words of `fwg set` after the interface. Returns 0, or -1 after a message
 * that names the word which is wrong.
 */
int config_from_words(struct device *dev, int count, char *words[]);

#endif
