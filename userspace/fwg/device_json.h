/* SPDX-License-Identifier: GPL-2.0 */
/* Prints interfaces and generations as JSON. */
#ifndef FWG_DEVICE_JSON_H
#define FWG_DEVICE_JSON_H

#include "field.h"

/* Adds the members of a generation to the object that is open. */
void generation_json(const struct generation *gen);

/*
 * Prints an object with @field, with everything or with the configuration.
 * Secrets are printed only where wg prints them.
 */
void device_json(const struct device *dev, enum field field);

#endif
