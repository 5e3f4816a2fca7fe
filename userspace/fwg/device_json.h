/* SPDX-License-Identifier: GPL-2.0 */
/* Prints interfaces and generations as JSON. */
#ifndef FWG_DEVICE_JSON_H
#define FWG_DEVICE_JSON_H

#include "field.h"

/* Adds the members of a generation to the open object. */
void generation_json(const struct generation *gen);

/*
 * Prints an object with @field, which may be everything or the configuration.
 * Secrets are printed only where wg prints them.
 */
void device_json(const struct device *dev, enum field field);

#endif
