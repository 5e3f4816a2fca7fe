/* SPDX-License-Identifier: GPL-2.0 */
/*
 * allowedips: from which inner addresses a peer may send, and which are routed to it.
 * The longest prefix wins. Readers are under RCU; writers hold a lock.
 */
#ifndef _FORKGUARD_ALLOWEDIPS_H
#define _FORKGUARD_ALLOWEDIPS_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rhashtable.h>
#include <linux/types.h>

struct fwg_peer;
struct sk_buff;

/**
 * struct allowedip_key - a prefix
 * @addr: network byte order; bits after @cidr are 0, and so are bytes after an IPv4 address
 * @family: AF_INET or AF_INET6
 * @cidr: length in bits
 */
struct allowedip_key {
	u8 addr[16];
	u8 family;
	u8 cidr;
};

/**
 * struct allowedip - a prefix and its owner
 * @node: in the table
 * @key: the prefix
 * @peer: its owner; NULL while it is only reserved
 * @in_peer: in the list of the prefixes of @peer, or aside; for writers
 * @rcu: frees it after a grace period
 */
struct allowedip {
	struct rhash_head node;
	struct allowedip_key key;
	struct fwg_peer __rcu *peer;
	struct list_head in_peer;
	struct rcu_head rcu;
};

/**
 * struct allowedips_family - which prefix lengths are in use
 * @count: how many prefixes of each length have an owner
 * @lengths: the lengths whose @count is not 0, as 128 minus length: the first bit
 *	is the longest
 */
struct allowedips_family {
	unsigned int count[129];
	DECLARE_BITMAP(lengths, 129);
};

/**
 * struct allowedips - all prefixes of a device
 * @table: by prefix
 * @lock: the lock that writers hold
 * @releases: how many times prefixes have been removed
 * @v4: lengths of IPv4 prefixes
 * @v6: lengths of IPv6 prefixes
 */
struct allowedips {
	struct rhashtable table;
	struct mutex *lock; /* for writers */
	unsigned int releases;
	struct allowedips_family v4, v6;
};

int __must_check fwg_allowedips_init(struct allowedips *ips, struct mutex *lock);
void fwg_allowedips_destroy(struct allowedips *ips);
int __must_check fwg_allowedips_reserve(struct allowedips *ips, int family, const void *addr,
					u8 cidr, struct list_head *aside);
void fwg_allowedips_give(struct allowedips *ips, int family, const void *addr, u8 cidr,
			 struct fwg_peer *peer, struct list_head *in_peer);
void fwg_allowedips_take(struct allowedips *ips, int family, const void *addr, u8 cidr,
			 const struct fwg_peer *peer, struct list_head *aside);
void fwg_allowedips_release(struct allowedips *ips, struct list_head *aside);
struct fwg_peer *fwg_allowedips_lookup(struct allowedips *ips, int family, const void *addr);
struct fwg_peer *fwg_allowedips_lookup_dst(struct allowedips *ips, const struct sk_buff *skb);
struct fwg_peer *fwg_allowedips_lookup_src(struct allowedips *ips, const struct sk_buff *skb);

#endif /* _FORKGUARD_ALLOWEDIPS_H */
