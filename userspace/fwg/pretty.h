/* SPDX-License-Identifier: GPL-2.0 */
/* Prints an interface and its peers for people to read. */
#ifndef FWG_PRETTY_H
#define FWG_PRETTY_H

#include <stdbool.h>

#include "device.h"

/* Shall private and preshared keys be shown? Only with WG_HIDE_KEYS=never. */
bool pretty_shows_secrets(void);

/* Returns 0, or -1 after a message. */
int pretty_print(const struct device *dev);

#endif
