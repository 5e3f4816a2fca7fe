// SPDX-License-Identifier: GPL-2.0
/*
 * probes: what does this kernel have? Kbuild compiles one of these at a time, and
 * defines FORKGUARD_HAVE_<name>, for compat.h, for each that compiles without a
 * warning.
 */

#include <linux/netdevice.h>
#include <net/genetlink.h>
#include <net/inetpeer.h>

#if defined(PROBE_NOTHING)
/* If this does not compile, the others tell nothing. */

#elif defined(PROBE_LLTX)
static void __maybe_unused probe(struct net_device *dev)
{
	dev->lltx = true;
}

#elif defined(PROBE_GENL_INFO_DUMP)
static struct nlattr **__maybe_unused probe(struct netlink_callback *cb)
{
	return genl_info_dump(cb)->attrs;
}

#elif defined(PROBE_GSO_H)
#include <net/gso.h>

#elif defined(PROBE_INETPEER_CREATE)
static struct inet_peer *__maybe_unused probe(struct inet_peer_base *base,
					      const struct in6_addr *addr)
{
	return inet_getpeer_v6(base, addr, 1);
}

#elif defined(PROBE_PCPU_STAT_TYPE)
static void __maybe_unused probe(struct net_device *dev)
{
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
}

#else
#error "unknown probe"
#endif
