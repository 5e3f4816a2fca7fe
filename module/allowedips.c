// SPDX-License-Identifier: GPL-2.0
/*
 * allowedips: longest prefix match in one hash table, which is searched for each
 * prefix length in use, longest first. In practice few lengths are in use; the cost
 * is bounded by 129 lookups, and there is no tree to get wrong.
 *
 * A change may have several steps, such as replacing all prefixes of a peer. Readers
 * never find an address without an owner meanwhile. For this, the writer keeps a
 * list, "aside":
 *
 *  1. fwg_allowedips_reserve() adds new prefixes. They have no owner and match
 *     nothing, but later steps need no memory.
 *  2. Prefixes to be removed move aside. They keep their owner.
 *  3. fwg_allowedips_give() changes owners, also of prefixes that are aside.
 *  4. fwg_allowedips_release() removes the prefixes that are still aside.
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

static struct allowedip *fwg_find(struct allowedips *ips, int family, const void *addr, u8 cidr)
{
	struct allowedip_key key;

	fwg_make_key(&key, family, addr, cidr);
	return rhashtable_lookup_fast(&ips->table, &key, params);
}

/* For writers. */
static struct fwg_peer *fwg_owner_of(const struct allowedips *ips, const struct allowedip *ip)
{
	return rcu_dereference_protected(ip->peer, lockdep_is_held(ips->lock));
}

/**
 * fwg_allowedips_init() - initialize an empty set of prefixes
 * @ips: the prefixes
 * @lock: the lock that writers hold
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int fwg_allowedips_init(struct allowedips *ips, struct mutex *lock)
{
	memset(ips, 0, sizeof(*ips));
	ips->lock = lock;
	return rhashtable_init(&ips->table, &params);
}

/**
 * fwg_allowedips_destroy() - free the table when all prefixes are gone
 * @ips: the prefixes
 *
 * Context: process.
 */
void fwg_allowedips_destroy(struct allowedips *ips)
{
	rhashtable_destroy(&ips->table);
}

/**
 * fwg_allowedips_reserve() - add a prefix without owner, unless it is there already
 * @ips: the prefixes
 * @family: AF_INET or AF_INET6
 * @addr: struct in_addr or struct in6_addr
 * @cidr: length in bits, valid for @family
 * @aside: list to which the prefix is added if it is new
 *
 * Context: process; the writers' lock is held.
 * Return: 0, or a negative error, such as -ENOMEM, without any change.
 */
int fwg_allowedips_reserve(struct allowedips *ips, int family, const void *addr, u8 cidr,
			   struct list_head *aside)
{
	struct allowedip *ip;
	int err;

	lockdep_assert_held(ips->lock);

	if (fwg_find(ips, family, addr, cidr))
		return 0;
	ip = kzalloc(sizeof(*ip), GFP_KERNEL_ACCOUNT);
	if (!ip)
		return -ENOMEM;
	fwg_make_key(&ip->key, family, addr, cidr);
	err = rhashtable_lookup_insert_fast(&ips->table, &ip->node, params);
	if (err) {
		kfree(ip);
		return err;
	}
	list_add_tail(&ip->in_peer, aside);
	return 0;
}

/**
 * fwg_allowedips_give() - give a prefix to a peer, and take it from any other
 * @ips: the prefixes
 * @family: AF_INET or AF_INET6
 * @addr: struct in_addr or struct in6_addr
 * @cidr: length in bits, valid for @family; the prefix has been reserved
 * @peer: the peer
 * @in_peer: the list of the prefixes of @peer
 *
 * Context: process; the writers' lock is held.
 */
void fwg_allowedips_give(struct allowedips *ips, int family, const void *addr, u8 cidr,
			 struct fwg_peer *peer, struct list_head *in_peer)
{
	struct allowedips_family *fam = fwg_family_of(ips, family);
	struct allowedip *ip;

	lockdep_assert_held(ips->lock);

	ip = fwg_find(ips, family, addr, cidr);
	if (WARN_ON_ONCE(!ip))
		return;
	if (!fwg_owner_of(ips, ip) && !fam->count[cidr]++)
		set_bit(128 - cidr, fam->lengths);
	rcu_assign_pointer(ip->peer, peer);
	list_move_tail(&ip->in_peer, in_peer);
}

/**
 * fwg_allowedips_take() - move a prefix aside, if it belongs to a peer
 * @ips: the prefixes
 * @family: AF_INET or AF_INET6
 * @addr: struct in_addr or struct in6_addr
 * @cidr: length in bits, valid for @family
 * @peer: the peer
 * @aside: list to which the prefix is moved
 *
 * Context: process; the writers' lock is held.
 */
void fwg_allowedips_take(struct allowedips *ips, int family, const void *addr, u8 cidr,
			 const struct fwg_peer *peer, struct list_head *aside)
{
	struct allowedip *ip;

	lockdep_assert_held(ips->lock);

	ip = fwg_find(ips, family, addr, cidr);
	if (ip && fwg_owner_of(ips, ip) == peer)
		list_move_tail(&ip->in_peer, aside);
}

static void fwg_remove_one(struct allowedips *ips, struct allowedip *ip)
{
	struct allowedips_family *fam = fwg_family_of(ips, ip->key.family);

	list_del(&ip->in_peer);
	if (fwg_owner_of(ips, ip) && !--fam->count[ip->key.cidr])
		clear_bit(128 - ip->key.cidr, fam->lengths);
	rhashtable_remove_fast(&ips->table, &ip->node, params);
	kfree_rcu(ip, rcu);
}

/**
 * fwg_allowedips_release() - remove the prefixes of a list
 * @ips: the prefixes
 * @aside: the list; empty on return
 *
 * Context: process; the writers' lock is held.
 */
void fwg_allowedips_release(struct allowedips *ips, struct list_head *aside)
{
	struct allowedip *ip, *next;

	lockdep_assert_held(ips->lock);

	/* Pairs with fwg_allowedips_lookup(): first give, then count, then remove. */
	smp_wmb();
	WRITE_ONCE(ips->releases, ips->releases + 1);
	/* Likewise. */
	smp_wmb();
	list_for_each_entry_safe(ip, next, aside, in_peer)
		fwg_remove_one(ips, ip);
}

static unsigned int fwg_next_length(const struct allowedips_family *fam, unsigned int i)
{
	/* A length that is just being added may be missed: see fwg_allowedips_lookup(). */
	return data_race(find_next_bit(fam->lengths, 129, i));
}

static struct fwg_peer *fwg_longest_match(struct allowedips *ips, int family, const void *addr)
{
	struct allowedips_family *fam = fwg_family_of(ips, family);
	struct allowedip_key key;
	struct fwg_peer *peer;
	struct allowedip *ip;
	unsigned int i;

	for (i = fwg_next_length(fam, 0); i < 129; i = fwg_next_length(fam, i + 1)) {
		fwg_make_key(&key, family, addr, 128 - i);
		ip = rhashtable_lookup(&ips->table, &key, params);
		peer = ip ? rcu_dereference(ip->peer) : NULL;
		if (peer)
			return peer;
	}
	return NULL;
}

/**
 * fwg_allowedips_lookup() - find the peer to which an address belongs
 * @ips: the prefixes
 * @family: AF_INET or AF_INET6
 * @addr: struct in_addr or struct in6_addr
 *
 * Context: RCU read-side critical section.
 * Return: the peer with the longest prefix, or NULL.
 */
struct fwg_peer *fwg_allowedips_lookup(struct allowedips *ips, int family, const void *addr)
{
	struct fwg_peer *peer;
	unsigned int releases;

	/*
	 * A search may look for a new prefix before it is given, and for the prefix that
	 * it replaces after that is released. Then it is repeated.
	 */
	do {
		releases = READ_ONCE(ips->releases);
		smp_rmb(); /* pairs with fwg_allowedips_release() */
		peer = fwg_longest_match(ips, family, addr);
		smp_rmb(); /* likewise */
	} while (unlikely(READ_ONCE(ips->releases) != releases));
	return peer;
}

/**
 * fwg_allowedips_lookup_dst() - find the peer to which a packet is routed
 * @ips: the prefixes
 * @skb: an IP packet, with its network header set and linear
 *
 * Context: RCU read-side critical section.
 * Return: the peer, or NULL.
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
 * fwg_allowedips_lookup_src() - find the peer that may send a packet
 * @ips: the prefixes
 * @skb: an IP packet, with its network header set and linear
 *
 * Context: RCU read-side critical section.
 * Return: the peer, or NULL.
 */
struct fwg_peer *fwg_allowedips_lookup_src(struct allowedips *ips, const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IP))
		return fwg_allowedips_lookup(ips, AF_INET, &ip_hdr(skb)->saddr);
	if (skb->protocol == htons(ETH_P_IPV6))
		return fwg_allowedips_lookup(ips, AF_INET6, &ipv6_hdr(skb)->saddr);
	return NULL;
}
