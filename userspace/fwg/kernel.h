/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What fwg can ask of the kernel. Each function returns 0, or -1 after it has
 * said on stderr what went wrong.
 */
#ifndef FWG_KERNEL_H
#define FWG_KERNEL_H

#include "decode.h"
#include "device.h"

struct name_list {
	char (*names)[IFNAMSIZ];
	size_t count;
};

/* The forkguard interfaces of this network namespace; free(list->names). */
int kernel_list_devices(struct name_list *list);

/* Fills @dev, which is valid before; device_clear() is due after. */
int kernel_get_device(const char *name, struct device *dev);

/* Messages say where in @file, or NULL, the word stands that the kernel refuses. */
int kernel_set_device(const struct device *dev, const char *file);

/* Resets one peer, or with NULL the whole interface. */
int kernel_reset(const char *name, const uint8_t *peer);

int kernel_get_generation(struct generation *gen);

/*
 * Calls @print for each reset of an interface of this network namespace until
 * that returns non-zero, about which nothing is said, or forkguard goes away.
 */
int kernel_watch(int (*print)(const struct event *event));

#endif
