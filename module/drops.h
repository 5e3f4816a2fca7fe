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
 * fwg_drops_add() - count packets or messages that a device drops
 * @device: the device
 * @reason: why
 * @number: how many
 *
 * The statistics of the interface count fewer drops, as WireGuard's do: of packets to
 * be sent, and of authentic packets that are refused. Messages of strangers are no
 * errors of the interface.
 *
 * Context: any.
 */
static inline void fwg_drops_add(struct fwg_device *device, enum forkguard_drop reason,
				 unsigned int number)
{
	this_cpu_add(device->drops->count[reason], number);
}

/**
 * fwg_drops_count() - count one packet or message that a device drops
 * @device: the device
 * @reason: why
 *
 * Context: any.
 */
static inline void fwg_drops_count(struct fwg_device *device, enum forkguard_drop reason)
{
	fwg_drops_add(device, reason, 1);
}

#endif /* _FORKGUARD_DROPS_H */
