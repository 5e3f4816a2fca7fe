/* SPDX-License-Identifier: GPL-2.0 */
/*
 * allowedips: which peer may send from, and is sent, which inner addresses.
 * The longest prefix wins. Readers are under RCU; writers serialize themselves.
 */
#ifndef _FORKGUARD_ALLOWEDIPS_H
#define _FORKGUARD_ALLOWEDIPS_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/rhashtable.h>
#include <linux/types.h>

struct fwg_peer;
struct sk_buff;

/**
 * struct allowedip_key - a prefix
 * @addr: network byte order, bits behind @cidr and bytes behind 4 for IPv4 are 0
 * @family: AF_INET or AF_INET6
 * @cidr: length in bits
 */
struct allowedip_key {
	u8 addr[16];
	u8 family;
	u8 cidr;
};

/**
 * struct allowedip - a prefix and whose it is
 * @node: in the table
 * @key: the prefix
 * @peer: its peer
 * @in_peer: in the list of the prefixes of @peer; for writers
 * @rcu: to be freed
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
 * @count: how many prefixes of each length there are
 * @lengths: the lengths for which that is not 0, as 128 minus length: the
 *	first bit is the longest
 */
struct allowedips_family {
	unsigned int count[129];
	DECLARE_BITMAP(lengths, 129);
};

/**
 * struct allowedips - all prefixes of a device
 * @table: by prefix
 * @v4: lengths of IPv4 prefixes
 * @v6: lengths of IPv6 prefixes
 */
struct allowedips {
	struct rhashtable table;
	struct allowedips_family v4, v6;
};

int __must_check fwg_allowedips_init(struct allowedips *ips);
void fwg_allowedips_destroy(struct allowedips *ips);
int __must_check fwg_allowedips_add(struct allowedips *ips, int family, const void *addr, u8 cidr,
				    struct fwg_peer *peer, struct list_head *in_peer);
void fwg_allowedips_remove(struct allowedips *ips, int family, const void *addr, u8 cidr,
			   const struct fwg_peer *peer);
void fwg_allowedips_remove_all(struct allowedips *ips, struct list_head *in_peer);
struct fwg_peer *fwg_allowedips_lookup(struct allowedips *ips, int family, const void *addr);
struct fwg_peer *fwg_allowedips_lookup_dst(struct allowedips *ips, const struct sk_buff *skb);
struct fwg_peer *fwg_allowedips_lookup_src(struct allowedips *ips, const struct sk_buff *skb);

#endif /* _FORKGUARD_ALLOWEDIPS_H */
