/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What fwg asks of the kernel. Each function returns 0, or -1 after a message
 * on stderr.
 */
#ifndef FWG_KERNEL_H
#define FWG_KERNEL_H

#include "decode.h"
#include "device.h"

struct name_list {
	char (*names)[IFNAMSIZ];
	size_t count;
};

/* Lists the forkguard interfaces of this network namespace; free list->names after it. */
int kernel_list_devices(struct name_list *list);

/* Replaces the contents of @dev, which needs device_clear() afterwards, also on failure. */
int kernel_get_device(const char *name, struct device *dev);

/* @file, or NULL, is where the configuration is from; messages name it. */
int kernel_set_device(const struct device *dev, const char *file);

/* Resets one peer, or the whole interface if @peer is NULL. */
int kernel_reset(const char *name, const uint8_t *peer);

int kernel_get_generation(struct generation *gen);

/*
 * Calls @print for each reset in this network namespace until it returns
 * non-zero, which is not reported here, or the module is unloaded.
 */
int kernel_watch(int (*print)(const struct event *event));

#endif
