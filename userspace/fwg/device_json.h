/* SPDX-License-Identifier: GPL-2.0 */
/* Interfaces and generations as JSON. */
#ifndef FWG_DEVICE_JSON_H
#define FWG_DEVICE_JSON_H

#include "field.h"

/* The members of a generation, into the object that is open. */
void generation_json(const struct generation *gen);

/*
 * An object with @field alone, or with all, or with the configuration; secrets
 * only where wg prints them.
 */
void device_json(const struct device *dev, enum field field);

#endif
