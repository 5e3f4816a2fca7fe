/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests to the kernel. Each function returns 0, or -1 after a message on
 * stderr.
 */
#ifndef FWG_KERNEL_H
#define FWG_KERNEL_H

#include "decode.h"
#include "device.h"

struct name_list {
	char (*names)[IFNAMSIZ];
	size_t count;
};

/* Lists the forkguard interfaces of this network namespace. The caller frees list->names. */
int kernel_list_devices(struct name_list *list);

/* Replaces the contents of @dev. The caller calls device_clear(), also after a failure. */
int kernel_get_device(const char *name, struct device *dev);

/* Messages name @file, the configuration's source, unless it is NULL. */
int kernel_set_device(const struct device *dev, const char *file);

/* Resets one peer, or the whole interface if @peer is NULL. */
int kernel_reset(const char *name, const uint8_t *peer);

int kernel_get_generation(struct generation *gen);

/*
 * Calls @print for each reset in this network namespace, until the module is
 * unloaded or @print returns non-zero, which is not reported here.
 */
int kernel_watch(int (*print)(const struct event *event));

#endif
