// SPDX-License-Identifier: GPL-2.0
/* Tests of allowedips: against a list that is searched from end to end. */

#include "allowedips.h"

#include <kunit/test.h>
#include <linux/inet.h>
#include <linux/rcupdate.h>

enum oracle_limit {
	PEERS = 8,
	PREFIXES = 400,
	ROUNDS = 1500,
	LOOKUPS = 40
};

struct prefix {
	u8 addr[16];
	u8 cidr;
	int family;
	int peer; /* -1 for a prefix that is gone */
};

/* Never looked into: peers are their lists of prefixes. */
struct oracle {
	struct allowedips ips;
	struct list_head peers[PEERS];
	struct prefix prefixes[PREFIXES];
	int n;
	u32 seed;
};

/* Marsaglia's xorshift: the same on every run. */
static u32 draw(struct oracle *o)
{
	o->seed ^= o->seed << 13;
	o->seed ^= o->seed >> 17;
	o->seed ^= o->seed << 5;
	return o->seed;
}

static struct fwg_peer *peer_at(struct oracle *o, int peer)
{
	return (struct fwg_peer *)&o->peers[peer];
}

static bool matches(const struct prefix *p, int family, const u8 *addr)
{
	u8 whole = p->cidr / 8, rest = p->cidr % 8;

	return p->peer >= 0 && p->family == family && !memcmp(p->addr, addr, whole) &&
	       (!rest || (p->addr[whole] ^ addr[whole]) >> (8 - rest) == 0);
}

static struct fwg_peer *oracle_lookup(struct oracle *o, int family, const u8 *addr)
{
	int i, best = -1;

	for (i = 0; i < o->n; i++)
		if (matches(&o->prefixes[i], family, addr) &&
		    (best < 0 || o->prefixes[i].cidr > o->prefixes[best].cidr))
			best = i;
	return best < 0 ? NULL : peer_at(o, o->prefixes[best].peer);
}

/* Few distinct bits, so that prefixes nest and collide. */
static void draw_addr(struct oracle *o, u8 addr[16])
{
	int i;

	for (i = 0; i < 16; i++)
		addr[i] = draw(o) & (i % 4 ? 0x81 : 0x03);
}

static void oracle_add(struct kunit *test, struct oracle *o)
{
	struct prefix p = { .peer = draw(o) % PEERS };
	int i;

	p.family = draw(o) % 2 ? AF_INET : AF_INET6;
	p.cidr = draw(o) % (p.family == AF_INET ? 33 : 129);
	draw_addr(o, p.addr);
	KUNIT_ASSERT_EQ(test,
			fwg_allowedips_add(&o->ips, p.family, p.addr, p.cidr, peer_at(o, p.peer),
					   &o->peers[p.peer]),
			0);
	for (i = 0; i < o->n; i++)
		if (o->prefixes[i].cidr == p.cidr && matches(&o->prefixes[i], p.family, p.addr))
			o->prefixes[i].peer = -1;
	o->prefixes[o->n++] = p;
}

/* Of any peer: most of the time it is not his, and stays. */
static void oracle_remove(struct oracle *o)
{
	const struct prefix p = o->prefixes[draw(o) % o->n];
	int i, peer = p.peer >= 0 && draw(o) % 2 ? p.peer : draw(o) % PEERS;

	fwg_allowedips_remove(&o->ips, p.family, p.addr, p.cidr, peer_at(o, peer));
	for (i = 0; i < o->n; i++)
		if (o->prefixes[i].peer == peer && o->prefixes[i].cidr == p.cidr &&
		    matches(&o->prefixes[i], p.family, p.addr))
			o->prefixes[i].peer = -1;
}

static void oracle_remove_peer(struct oracle *o, int peer)
{
	int i;

	fwg_allowedips_remove_all(&o->ips, &o->peers[peer]);
	for (i = 0; i < o->n; i++)
		if (o->prefixes[i].peer == peer)
			o->prefixes[i].peer = -1;
}

static void oracle_compare(struct kunit *test, struct oracle *o)
{
	int family = draw(o) % 2 ? AF_INET : AF_INET6;
	struct fwg_peer *found;
	u8 addr[16];

	draw_addr(o, addr);
	rcu_read_lock();
	found = fwg_allowedips_lookup(&o->ips, family, addr);
	rcu_read_unlock();
	KUNIT_EXPECT_PTR_EQ(test, found, oracle_lookup(o, family, addr));
}

static struct oracle *oracle_create(struct kunit *test)
{
	struct oracle *o = kunit_kzalloc(test, sizeof(*o), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, o);
	o->seed = 1;
	KUNIT_ASSERT_EQ(test, fwg_allowedips_init(&o->ips), 0);
	for (i = 0; i < PEERS; i++)
		INIT_LIST_HEAD(&o->peers[i]);
	return o;
}

static void oracle_destroy(struct kunit *test, struct oracle *o)
{
	int i;

	for (i = 0; i < PEERS; i++)
		oracle_remove_peer(o, i);
	KUNIT_EXPECT_EQ(test, atomic_read(&o->ips.table.nelems), 0);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(o->ips.v4.lengths, 129));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(o->ips.v6.lengths, 129));
	fwg_allowedips_destroy(&o->ips);
}

/* Random prefixes that come, move from peer to peer, and go. */
static void random_against_brute_force(struct kunit *test)
{
	struct oracle *o = oracle_create(test);
	int i, j;

	for (i = 0; i < ROUNDS; i++) {
		if (o->n == PREFIXES || draw(o) % 40 == 0)
			oracle_remove_peer(o, draw(o) % PEERS);
		if (o->n == PREFIXES)
			o->n = 0;
		if (!o->n)
			for (j = 0; j < PEERS; j++)
				oracle_remove_peer(o, j);
		oracle_add(test, o);
		if (draw(o) % 3 == 0)
			oracle_remove(o);
		for (j = 0; j < LOOKUPS; j++)
			oracle_compare(test, o);
	}
	oracle_destroy(test, o);
}

static struct fwg_peer *whose(struct oracle *o, const char *address)
{
	struct fwg_peer *found = NULL;
	u8 addr[16];

	rcu_read_lock();
	if (in4_pton(address, -1, addr, -1, NULL))
		found = fwg_allowedips_lookup(&o->ips, AF_INET, addr);
	else if (in6_pton(address, -1, addr, -1, NULL))
		found = fwg_allowedips_lookup(&o->ips, AF_INET6, addr);
	rcu_read_unlock();
	return found;
}

static int parse(struct kunit *test, const char *address, u8 addr[16])
{
	if (in4_pton(address, -1, addr, -1, NULL))
		return AF_INET;
	KUNIT_ASSERT_EQ(test, in6_pton(address, -1, addr, -1, NULL), 1);
	return AF_INET6;
}

static void take(struct kunit *test, struct oracle *o, const char *address, u8 cidr, int peer)
{
	u8 addr[16];
	int family = parse(test, address, addr);

	fwg_allowedips_remove(&o->ips, family, addr, cidr, peer_at(o, peer));
}

static void give(struct kunit *test, struct oracle *o, const char *address, u8 cidr, int peer)
{
	u8 addr[16];
	int family = parse(test, address, addr), err;

	err = fwg_allowedips_add(&o->ips, family, addr, cidr, peer_at(o, peer), &o->peers[peer]);
	KUNIT_ASSERT_EQ(test, err, 0);
}

static void longest_prefix_wins(struct kunit *test)
{
	struct oracle *o = oracle_create(test);

	KUNIT_EXPECT_NULL(test, whose(o, "192.0.2.1"));
	give(test, o, "0.0.0.0", 0, 0);
	give(test, o, "192.0.2.77", 24, 1);
	give(test, o, "192.0.2.128", 25, 2);
	give(test, o, "192.0.2.255", 32, 3);
	give(test, o, "2001:db8::", 32, 4);
	give(test, o, "2001:db8::1", 128, 5);
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "203.0.113.9"), peer_at(o, 0));
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "192.0.2.1"), peer_at(o, 1));
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "192.0.2.127"), peer_at(o, 1));
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "192.0.2.200"), peer_at(o, 2));
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "192.0.2.255"), peer_at(o, 3));
	KUNIT_EXPECT_NULL(test, whose(o, "2001:db9::"));
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "2001:db8:ffff::1"), peer_at(o, 4));
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "2001:db8::1"), peer_at(o, 5));
	/* A prefix has one peer: it moves. */
	give(test, o, "192.0.2.0", 24, 6);
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "192.0.2.1"), peer_at(o, 6));
	KUNIT_EXPECT_TRUE(test, list_empty(&o->peers[1]));
	oracle_destroy(test, o);
}

static void one_prefix_is_removed(struct kunit *test)
{
	struct oracle *o = oracle_create(test);

	give(test, o, "10.0.0.0", 8, 0);
	give(test, o, "10.1.0.0", 16, 1);
	give(test, o, "10.1.2.0", 24, 1);
	give(test, o, "2001:db8::1", 128, 1);
	/* Nobody's, another's, and of another length. */
	take(test, o, "10.2.0.0", 16, 1);
	take(test, o, "10.0.0.0", 8, 1);
	take(test, o, "10.1.2.0", 25, 1);
	take(test, o, "2001:db8::1", 127, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&o->ips.table.nelems), 4);
	/* What is longer stays, and what is shorter shines through. */
	take(test, o, "10.1.255.255", 16, 1);
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "10.1.2.3"), peer_at(o, 1));
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "10.1.3.3"), peer_at(o, 0));
	take(test, o, "10.1.2.0", 24, 1);
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "10.1.2.3"), peer_at(o, 0));
	take(test, o, "2001:db8::1", 128, 1);
	KUNIT_EXPECT_NULL(test, whose(o, "2001:db8::1"));
	KUNIT_EXPECT_TRUE(test, list_empty(&o->peers[1]));
	/* Twice is once; and it can come back. */
	take(test, o, "2001:db8::1", 128, 1);
	give(test, o, "2001:db8::1", 128, 2);
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "2001:db8::1"), peer_at(o, 2));
	oracle_destroy(test, o);
}

/* All prefixes of one address, as deep as they nest. */
static void prefixes_nest(struct kunit *test)
{
	static const u8 zero[16];
	struct oracle *o = oracle_create(test);
	struct fwg_peer *found;
	int i;

	for (i = 0; i <= 128; i++)
		KUNIT_ASSERT_EQ(test,
				fwg_allowedips_add(&o->ips, AF_INET6, zero, i,
						   peer_at(o, i % PEERS), &o->peers[i % PEERS]),
				0);
	for (i = 0; i <= 128; i++) {
		u8 addr[16] = {};

		if (i < 128)
			addr[i / 8] = 0x80 >> i % 8;
		rcu_read_lock();
		found = fwg_allowedips_lookup(&o->ips, AF_INET6, addr);
		rcu_read_unlock();
		KUNIT_EXPECT_PTR_EQ(test, found, peer_at(o, i % PEERS));
	}
	oracle_destroy(test, o);
}

static struct kunit_case allowedips_cases[] = {
	KUNIT_CASE(longest_prefix_wins),
	KUNIT_CASE(one_prefix_is_removed),
	KUNIT_CASE(prefixes_nest),
	KUNIT_CASE(random_against_brute_force),
	{},
};

static struct kunit_suite allowedips_suite = {
	.name = "allowedips",
	.test_cases = allowedips_cases,
};

kunit_test_suite(allowedips_suite);
