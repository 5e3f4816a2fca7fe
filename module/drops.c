// SPDX-License-Identifier: GPL-2.0
/* drops: see drops.h. Users see the counters by netlink and by `ethtool -S`. */

#include "drops.h"

#include <linux/ethtool.h>

/* Unlike the numbers in the uapi header, these begin at 0. */
#define NUM_REASONS FORKGUARD_DROP_A_MAX

static const char names[NUM_REASONS][ETH_GSTRING_LEN] = {
	[FORKGUARD_DROP_A_RX_MALFORMED - 1] = "rx_malformed",
	[FORKGUARD_DROP_A_RX_UNKNOWN_SESSION - 1] = "rx_unknown_session",
	[FORKGUARD_DROP_A_RX_STALE_SESSION - 1] = "rx_stale_session",
	[FORKGUARD_DROP_A_RX_FORGED - 1] = "rx_forged",
	[FORKGUARD_DROP_A_RX_REPLAY - 1] = "rx_replay",
	[FORKGUARD_DROP_A_RX_WRONG_SOURCE - 1] = "rx_wrong_source",
	[FORKGUARD_DROP_A_RX_NOT_IP - 1] = "rx_not_ip",
	[FORKGUARD_DROP_A_RX_QUEUE_FULL - 1] = "rx_queue_full",
	[FORKGUARD_DROP_A_RX_NO_MEMORY - 1] = "rx_no_memory",
	[FORKGUARD_DROP_A_HS_QUEUE_FULL - 1] = "hs_queue_full",
	[FORKGUARD_DROP_A_HS_BAD_MAC - 1] = "hs_bad_mac",
	[FORKGUARD_DROP_A_HS_COOKIE_DEMANDED - 1] = "hs_cookie_demanded",
	[FORKGUARD_DROP_A_HS_RATE_LIMITED - 1] = "hs_rate_limited",
	[FORKGUARD_DROP_A_HS_REFUSED - 1] = "hs_refused",
	[FORKGUARD_DROP_A_TX_NOT_IP - 1] = "tx_not_ip",
	[FORKGUARD_DROP_A_TX_NO_PEER - 1] = "tx_no_peer",
	[FORKGUARD_DROP_A_TX_NO_ENDPOINT - 1] = "tx_no_endpoint",
	[FORKGUARD_DROP_A_TX_NO_ROUTE - 1] = "tx_no_route",
	[FORKGUARD_DROP_A_TX_LOOP - 1] = "tx_loop",
	[FORKGUARD_DROP_A_TX_QUEUE_FULL - 1] = "tx_queue_full",
	[FORKGUARD_DROP_A_TX_NO_SESSION - 1] = "tx_no_session",
	[FORKGUARD_DROP_A_TX_FORKED - 1] = "tx_forked",
	[FORKGUARD_DROP_A_TX_NO_MEMORY - 1] = "tx_no_memory",
};

/**
 * fwg_drops_init() - allocate the counters of a device
 * @device: the device
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int fwg_drops_init(struct fwg_device *device)
{
	device->drops = alloc_percpu(struct fwg_drops);
	return device->drops ? 0 : -ENOMEM;
}

/**
 * fwg_drops_destroy() - free the counters of a device
 * @device: the device
 *
 * Context: process.
 */
void fwg_drops_destroy(struct fwg_device *device)
{
	free_percpu(device->drops);
}

/**
 * fwg_drops_read() - how much has a device dropped for a reason?
 * @device: the device
 * @reason: the reason
 *
 * Context: any.
 * Return: the number of messages or packets since the device was made.
 */
u64 fwg_drops_read(const struct fwg_device *device, enum forkguard_drop reason)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(device->drops, cpu)->count[reason]);
	return sum;
}

static const struct sockaddr *fwg_source(const struct sk_buff *skb, struct endpoint *from)
{
	/* The family of an unknown endpoint is 0. */
	fwg_endpoint_from_skb(from, skb);
	return &from->addr;
}

/**
 * fwg_drops_message() - count a message that a device drops
 * @device: the device
 * @skb: the message, with outer network and transport headers
 * @reason: why
 *
 * Context: any.
 */
void fwg_drops_message(struct fwg_device *device, const struct sk_buff *skb,
		       enum forkguard_drop reason)
{
	fwg_drops_count(device, reason);
	net_dbg_ratelimited("%s: message from %pISpfsc dropped: %s\n", device->dev->name,
			    fwg_source(skb, &(struct endpoint){}), names[reason - 1]);
}

static int fwg_get_sset_count(struct net_device *dev, int set)
{
	return set == ETH_SS_STATS ? NUM_REASONS : -EOPNOTSUPP;
}

static void fwg_get_strings(struct net_device *dev, u32 set, u8 *strings)
{
	if (set == ETH_SS_STATS)
		memcpy(strings, names, sizeof(names));
}

static void fwg_get_ethtool_stats(struct net_device *dev, struct ethtool_stats *stats, u64 *values)
{
	unsigned int i;

	for (i = 0; i < NUM_REASONS; i++)
		values[i] = fwg_drops_read(netdev_priv(dev), i + 1);
}

const struct ethtool_ops fwg_drops_ethtool_ops = {
	.get_sset_count = fwg_get_sset_count,
	.get_strings = fwg_get_strings,
	.get_ethtool_stats = fwg_get_ethtool_stats,
};
