/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat: differences between the kernels that forkguard builds on. Where the
 * preprocessor can't tell, Kbuild compiles the probes in probes.c, and defines
 * FORKGUARD_HAVE_<name> for each that compiles.
 */
#ifndef _FORKGUARD_COMPAT_H
#define _FORKGUARD_COMPAT_H

#include <linux/netdevice.h>
#include <net/genetlink.h>
#include <net/inetpeer.h>

#ifdef FORKGUARD_HAVE_GSO_H
#include <net/gso.h> /* since 6.5: skb_gso_segment() */
#endif

/* Until 6.7, multicast groups had the flags of operations. */
#ifndef GENL_MCAST_CAP_NET_ADMIN
#define GENL_MCAST_CAP_NET_ADMIN GENL_UNS_ADMIN_PERM
#endif

/* The transmit path takes no lock: a feature flag until 6.11, then a field. */
static inline void compat_set_lltx(struct net_device *dev)
{
#ifdef FORKGUARD_HAVE_LLTX
	dev->lltx = true;
#else
	dev->features |= NETIF_F_LLTX;
#endif
}

/* Since 6.7 the core allocates per-CPU statistics. */
static inline int compat_alloc_stats(struct net_device *dev)
{
#ifdef FORKGUARD_HAVE_PCPU_STAT_TYPE
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
#else
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	if (!dev->tstats)
		return -ENOMEM;
#endif
	return 0;
}

static inline void compat_free_stats(struct net_device *dev)
{
#ifndef FORKGUARD_HAVE_PCPU_STAT_TYPE
	free_percpu(dev->tstats);
#endif
}

/* The attributes of a dump request. */
static inline struct nlattr *const *compat_dump_attrs(struct netlink_callback *cb)
{
#ifdef FORKGUARD_HAVE_GENL_INFO_DUMP
	return genl_info_dump(cb)->attrs;
#else
	return genl_dumpit_info(cb)->attrs;
#endif
}

/* The record of an address, for use under RCU; older kernels also take a reference. */
static inline struct inet_peer *compat_inet_getpeer(struct inet_peer_base *base,
						    const struct in6_addr *addr)
{
#ifdef FORKGUARD_HAVE_INETPEER_CREATE
	struct inet_peer *record = inet_getpeer_v6(base, addr, 1);

	if (record)
		inet_putpeer(record);
	return record;
#else
	return inet_getpeer_v6(base, addr);
#endif
}

#endif /* _FORKGUARD_COMPAT_H */
