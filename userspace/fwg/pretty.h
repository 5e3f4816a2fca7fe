/* SPDX-License-Identifier: GPL-2.0 */
/* An interface and its peers for people to read. */
#ifndef FWG_PRETTY_H
#define FWG_PRETTY_H

#include <stdbool.h>

#include "device.h"

/* Are private and preshared keys to be shown? Only by WG_HIDE_KEYS=never. */
bool pretty_shows_secrets(void);

/* Returns 0, or -1 after a message. */
int pretty_print(const struct device *dev);

#endif
