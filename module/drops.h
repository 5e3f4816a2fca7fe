/* SPDX-License-Identifier: GPL-2.0 */
/* drops: what a device has dropped, counted by reason. */
#ifndef _FORKGUARD_DROPS_H
#define _FORKGUARD_DROPS_H

#include "tunnel.h"

#include <linux/ethtool.h>
#include <linux/percpu.h>

/**
 * struct fwg_drops - the counters of a CPU
 * @count: by &enum forkguard_drop
 */
struct fwg_drops {
	unsigned long count[FORKGUARD_DROP_A_MAX + 1];
};

extern const struct ethtool_ops fwg_drops_ethtool_ops;

int __must_check fwg_drops_init(struct fwg_device *device);
void fwg_drops_destroy(struct fwg_device *device);
u64 fwg_drops_read(const struct fwg_device *device, enum forkguard_drop reason);

void fwg_drops_message(struct fwg_device *device, const struct sk_buff *skb,
		       enum forkguard_drop reason);

/**
 * fwg_drops_add() - count what is dropped
 * @device: by this device
 * @reason: why
 * @number: how many
 *
 * The statistics of the interface count less, as WireGuard's do: what the interface
 * was to send, and what is authentic and refused all the same. What strangers send
 * is no fault of the interface.
 *
 * Context: any.
 */
static inline void fwg_drops_add(struct fwg_device *device, enum forkguard_drop reason,
				 unsigned int number)
{
	this_cpu_add(device->drops->count[reason], number);
}

/**
 * fwg_drops_count() - count one that is dropped
 * @device: by this device
 * @reason: why
 *
 * Context: any.
 */
static inline void fwg_drops_count(struct fwg_device *device, enum forkguard_drop reason)
{
	fwg_drops_add(device, reason, 1);
}

#endif /* _FORKGUARD_DROPS_H */
