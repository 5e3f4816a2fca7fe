// SPDX-License-Identifier: GPL-2.0
/* drops: see drops.h. Users see the counters by netlink and by `ethtool -S`. */

#include "drops.h"

#include <linux/ethtool.h>

/* Unlike the numbers in the uapi header, these begin at 0. */
#define NUM_REASONS FORKGUARD_DROP_A_MAX

#define NAME(reason, name) [FORKGUARD_DROP_A_##reason - 1] = name

static const char names[NUM_REASONS][ETH_GSTRING_LEN] = {
	NAME(RX_MALFORMED, "rx_malformed"),
	NAME(RX_UNKNOWN_SESSION, "rx_unknown_session"),
	NAME(RX_STALE_SESSION, "rx_stale_session"),
	NAME(RX_FORGED, "rx_forged"),
	NAME(RX_REPLAY, "rx_replay"),
	NAME(RX_WRONG_SOURCE, "rx_wrong_source"),
	NAME(RX_NOT_IP, "rx_not_ip"),
	NAME(RX_QUEUE_FULL, "rx_queue_full"),
	NAME(RX_NO_MEMORY, "rx_no_memory"),
	NAME(HS_QUEUE_FULL, "hs_queue_full"),
	NAME(HS_BAD_MAC, "hs_bad_mac"),
	NAME(HS_COOKIE_DEMANDED, "hs_cookie_demanded"),
	NAME(HS_RATE_LIMITED, "hs_rate_limited"),
	NAME(HS_REFUSED, "hs_refused"),
	NAME(TX_NOT_IP, "tx_not_ip"),
	NAME(TX_NO_PEER, "tx_no_peer"),
	NAME(TX_NO_ENDPOINT, "tx_no_endpoint"),
	NAME(TX_NO_ROUTE, "tx_no_route"),
	NAME(TX_LOOP, "tx_loop"),
	NAME(TX_QUEUE_FULL, "tx_queue_full"),
	NAME(TX_NO_SESSION, "tx_no_session"),
	NAME(TX_FORKED, "tx_forked"),
	NAME(TX_NO_MEMORY, "tx_no_memory"),
};

/**
 * fwg_drops_init() - counters, all zero
 * @device: of this device
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
 * fwg_drops_destroy() - free the counters
 * @device: of this device
 *
 * Context: process.
 */
void fwg_drops_destroy(struct fwg_device *device)
{
	free_percpu(device->drops);
}

/**
 * fwg_drops_read() - how much was dropped for a reason?
 * @device: by this device
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
	/* The family of an unknown one is 0. */
	fwg_endpoint_from_skb(from, skb);
	return &from->addr;
}

/**
 * fwg_drops_message() - count a message that is dropped
 * @device: by this device
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
