// SPDX-License-Identifier: GPL-2.0
/*
 * allowedips: longest prefix match, as one hash table that is asked for each
 * prefix length in use, longest first. Few lengths are in use in practice, the
 * cost is bounded by 129 look-ups, and there is no tree to get wrong.
 */

#include "allowedips.h"

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/socket.h>

static const struct rhashtable_params params = {
	.key_len = sizeof(struct allowedip_key),
	.key_offset = offsetof(struct allowedip, key),
	.head_offset = offsetof(struct allowedip, node),
	.automatic_shrinking = true,
};

static struct allowedips_family *fwg_family_of(struct allowedips *ips, int family)
{
	return family == AF_INET ? &ips->v4 : &ips->v6;
}

static void fwg_make_key(struct allowedip_key *key, int family, const void *addr, u8 cidr)
{
	u8 whole = cidr / 8;

	memset(key, 0, sizeof(*key));
	memcpy(key->addr, addr, DIV_ROUND_UP(cidr, 8));
	if (cidr % 8)
		key->addr[whole] &= 0xff << (8 - cidr % 8);
	key->family = family;
	key->cidr = cidr;
}

/**
 * fwg_allowedips_init() - no prefixes
 * @ips: the prefixes
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int fwg_allowedips_init(struct allowedips *ips)
{
	memset(ips, 0, sizeof(*ips));
	return rhashtable_init(&ips->table, &params);
}

/**
 * fwg_allowedips_destroy() - free what has no prefixes any more
 * @ips: the prefixes
 *
 * Context: process.
 */
void fwg_allowedips_destroy(struct allowedips *ips)
{
	rhashtable_destroy(&ips->table);
}

/**
 * fwg_allowedips_add() - give a prefix to a peer, and take it from any other
 * @ips: the prefixes
 * @family: AF_INET or AF_INET6
 * @addr: struct in_addr or struct in6_addr
 * @cidr: length in bits, valid for @family
 * @peer: the peer
 * @in_peer: the list of the prefixes of @peer
 *
 * Context: process; writers serialized by the caller.
 * Return: 0 or -ENOMEM and the like, and nothing is changed.
 */
int fwg_allowedips_add(struct allowedips *ips, int family, const void *addr, u8 cidr,
		       struct fwg_peer *peer, struct list_head *in_peer)
{
	struct allowedips_family *fam = fwg_family_of(ips, family);
	struct allowedip *ip, *old;

	ip = kzalloc(sizeof(*ip), GFP_KERNEL);
	if (!ip)
		return -ENOMEM;
	fwg_make_key(&ip->key, family, addr, cidr);
	RCU_INIT_POINTER(ip->peer, peer);

	old = rhashtable_lookup_get_insert_fast(&ips->table, &ip->node, params);
	if (old) {
		kfree(ip);
		if (IS_ERR(old))
			return PTR_ERR(old);
		rcu_assign_pointer(old->peer, peer);
		list_move_tail(&old->in_peer, in_peer);
		return 0;
	}
	list_add_tail(&ip->in_peer, in_peer);
	if (!fam->count[cidr]++)
		set_bit(128 - cidr, fam->lengths);
	return 0;
}

static void fwg_remove_one(struct allowedips *ips, struct allowedip *ip)
{
	struct allowedips_family *fam = fwg_family_of(ips, ip->key.family);

	list_del(&ip->in_peer);
	if (!--fam->count[ip->key.cidr])
		clear_bit(128 - ip->key.cidr, fam->lengths);
	rhashtable_remove_fast(&ips->table, &ip->node, params);
	kfree_rcu(ip, rcu);
}

/**
 * fwg_allowedips_remove() - take a prefix from a peer, if it is that peer's
 * @ips: the prefixes
 * @family: AF_INET or AF_INET6
 * @addr: struct in_addr or struct in6_addr
 * @cidr: length in bits, valid for @family
 * @peer: the peer
 *
 * Context: process; writers serialized by the caller.
 */
void fwg_allowedips_remove(struct allowedips *ips, int family, const void *addr, u8 cidr,
			   const struct fwg_peer *peer)
{
	struct allowedip_key key;
	struct allowedip *ip;

	fwg_make_key(&key, family, addr, cidr);
	ip = rhashtable_lookup_fast(&ips->table, &key, params);
	if (ip && rcu_access_pointer(ip->peer) == peer)
		fwg_remove_one(ips, ip);
}

/**
 * fwg_allowedips_remove_all() - take all prefixes from a peer
 * @ips: the prefixes
 * @in_peer: the list of the prefixes of the peer
 *
 * Context: process; writers serialized by the caller.
 */
void fwg_allowedips_remove_all(struct allowedips *ips, struct list_head *in_peer)
{
	struct allowedip *ip, *next;

	list_for_each_entry_safe(ip, next, in_peer, in_peer)
		fwg_remove_one(ips, ip);
}

static unsigned int fwg_next_length(const struct allowedips_family *fam, unsigned int i)
{
	/* One that comes or goes meanwhile: the packet was a moment later, or earlier. */
	return data_race(find_next_bit(fam->lengths, 129, i));
}

/**
 * fwg_allowedips_lookup() - whose address is it?
 * @ips: the prefixes
 * @family: AF_INET or AF_INET6
 * @addr: struct in_addr or struct in6_addr
 *
 * Context: RCU read-side critical section.
 * Return: the peer with the longest prefix, or NULL.
 */
struct fwg_peer *fwg_allowedips_lookup(struct allowedips *ips, int family, const void *addr)
{
	struct allowedips_family *fam = fwg_family_of(ips, family);
	struct allowedip_key key;
	struct allowedip *ip;
	unsigned int i;

	for (i = fwg_next_length(fam, 0); i < 129; i = fwg_next_length(fam, i + 1)) {
		fwg_make_key(&key, family, addr, 128 - i);
		ip = rhashtable_lookup(&ips->table, &key, params);
		if (ip)
			return rcu_dereference(ip->peer);
	}
	return NULL;
}

/**
 * fwg_allowedips_lookup_dst() - who is a packet for?
 * @ips: the prefixes
 * @skb: an IP packet, with its network header set and linear
 *
 * Context: RCU read-side critical section.
 */
struct fwg_peer *fwg_allowedips_lookup_dst(struct allowedips *ips, const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IP))
		return fwg_allowedips_lookup(ips, AF_INET, &ip_hdr(skb)->daddr);
	if (skb->protocol == htons(ETH_P_IPV6))
		return fwg_allowedips_lookup(ips, AF_INET6, &ipv6_hdr(skb)->daddr);
	return NULL;
}

/**
 * fwg_allowedips_lookup_src() - who may have sent a packet?
 * @ips: the prefixes
 * @skb: an IP packet, with its network header set and linear
 *
 * Context: RCU read-side critical section.
 */
struct fwg_peer *fwg_allowedips_lookup_src(struct allowedips *ips, const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IP))
		return fwg_allowedips_lookup(ips, AF_INET, &ip_hdr(skb)->saddr);
	if (skb->protocol == htons(ETH_P_IPV6))
		return fwg_allowedips_lookup(ips, AF_INET6, &ipv6_hdr(skb)->saddr);
	return NULL;
}
