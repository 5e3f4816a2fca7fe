/* SPDX-License-Identifier: GPL-2.0 */
/* The settings of an interface and its peers. */
#ifndef FWG_SETTING_H
#define FWG_SETTING_H

#include "device.h"

struct setting;

/* Find a setting by its name in `fwg set`, or in a section of a file; or NULL. */
const struct setting *setting_by_word(const char *word);
const struct setting *setting_by_name(const char *name, bool of_peer);

bool setting_is_of_peer(const struct setting *setting);

/* Both return 0, or -1 after a message. A setting of a peer applies to the last one. */
int setting_apply(const struct setting *setting, struct device *dev, const char *value);
int setting_begin_peer(struct device *dev, const char *key);

/* Removes all white space from @text. */
void strip_spaces(char *text);

#endif
