// SPDX-License-Identifier: GPL-2.0
/* Tests of allowedips, against a list that is searched completely. */

#include "allowedips.h"
#include "allowedips_steps.h"

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
	int peer; /* -1 for a removed prefix */
};

/* Peers are never dereferenced: a peer is the address of its list of prefixes. */
struct oracle {
	struct mutex lock; /* for writers */
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

/* A complete change. */
static void give_one(struct kunit *test, struct oracle *o, int family, const u8 *addr, u8 cidr,
		     int peer)
{
	LIST_HEAD(aside);

	mutex_lock(&o->lock);
	KUNIT_EXPECT_EQ(test, fwg_allowedips_reserve(&o->ips, family, addr, cidr, &aside), 0);
	fwg_allowedips_give(&o->ips, family, addr, cidr, peer_at(o, peer), &o->peers[peer]);
	KUNIT_EXPECT_TRUE(test, list_empty(&aside));
	mutex_unlock(&o->lock);
}

static void take_one(struct oracle *o, int family, const u8 *addr, u8 cidr, int peer)
{
	LIST_HEAD(aside);

	mutex_lock(&o->lock);
	fwg_allowedips_take(&o->ips, family, addr, cidr, peer_at(o, peer), &aside);
	fwg_allowedips_release(&o->ips, &aside);
	mutex_unlock(&o->lock);
}

static void take_all(struct oracle *o, int peer)
{
	mutex_lock(&o->lock);
	fwg_allowedips_release(&o->ips, &o->peers[peer]);
	mutex_unlock(&o->lock);
}

static void oracle_add(struct kunit *test, struct oracle *o)
{
	struct prefix p = { .peer = draw(o) % PEERS };
	int i;

	p.family = draw(o) % 2 ? AF_INET : AF_INET6;
	p.cidr = draw(o) % (p.family == AF_INET ? 33 : 129);
	draw_addr(o, p.addr);
	give_one(test, o, p.family, p.addr, p.cidr, p.peer);
	for (i = 0; i < o->n; i++)
		if (o->prefixes[i].cidr == p.cidr && matches(&o->prefixes[i], p.family, p.addr))
			o->prefixes[i].peer = -1;
	o->prefixes[o->n++] = p;
}

/* Removes a random prefix of a random peer: mostly it is another peer's, and stays. */
static void oracle_remove(struct oracle *o)
{
	const struct prefix p = o->prefixes[draw(o) % o->n];
	int i, peer = p.peer >= 0 && draw(o) % 2 ? p.peer : draw(o) % PEERS;

	take_one(o, p.family, p.addr, p.cidr, peer);
	for (i = 0; i < o->n; i++)
		if (o->prefixes[i].peer == peer && o->prefixes[i].cidr == p.cidr &&
		    matches(&o->prefixes[i], p.family, p.addr))
			o->prefixes[i].peer = -1;
}

static void oracle_remove_peer(struct oracle *o, int peer)
{
	int i;

	take_all(o, peer);
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
	mutex_init(&o->lock);
	KUNIT_ASSERT_EQ(test, fwg_allowedips_init(&o->ips, &o->lock), 0);
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

/* Random prefixes are added, moved between peers, and removed. */
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

	take_one(o, family, addr, cidr, peer);
}

static void give(struct kunit *test, struct oracle *o, const char *address, u8 cidr, int peer)
{
	u8 addr[16];
	int family = parse(test, address, addr);

	give_one(test, o, family, addr, cidr, peer);
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
	/* A prefix has one peer, so it moves. */
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
	/* Unknown, of another peer, and of another length: nothing changes. */
	take(test, o, "10.2.0.0", 16, 1);
	take(test, o, "10.0.0.0", 8, 1);
	take(test, o, "10.1.2.0", 25, 1);
	take(test, o, "2001:db8::1", 127, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&o->ips.table.nelems), 4);
	/* A longer prefix stays, and a shorter one matches now. */
	take(test, o, "10.1.255.255", 16, 1);
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "10.1.2.3"), peer_at(o, 1));
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "10.1.3.3"), peer_at(o, 0));
	take(test, o, "10.1.2.0", 24, 1);
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "10.1.2.3"), peer_at(o, 0));
	take(test, o, "2001:db8::1", 128, 1);
	KUNIT_EXPECT_NULL(test, whose(o, "2001:db8::1"));
	KUNIT_EXPECT_TRUE(test, list_empty(&o->peers[1]));
	/* Removing it again does nothing; and it can be added again. */
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
		give_one(test, o, AF_INET6, zero, i, i % PEERS);
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

/* A prefix that is only reserved matches nothing, and ends with the change. */
static void reserved_is_nobodys(struct kunit *test)
{
	struct oracle *o = oracle_create(test);
	static const u8 addr[] = { 10 };
	LIST_HEAD(aside);

	give(test, o, "10.0.0.0", 8, 0);
	/* So that lookups include prefixes of 16 bits. */
	give(test, o, "172.16.0.0", 16, 1);
	mutex_lock(&o->lock);
	KUNIT_EXPECT_EQ(test, fwg_allowedips_reserve(&o->ips, AF_INET, addr, 16, &aside), 0);
	KUNIT_EXPECT_EQ(test, fwg_allowedips_reserve(&o->ips, AF_INET, addr, 16, &aside), 0);
	KUNIT_EXPECT_PTR_EQ(test, whose(o, "10.0.0.1"), peer_at(o, 0));
	fwg_allowedips_release(&o->ips, &aside);
	mutex_unlock(&o->lock);
	KUNIT_EXPECT_EQ(test, atomic_read(&o->ips.table.nelems), 2);
	oracle_destroy(test, o);
}

/*
 * Replace the prefixes of peer 1: by the same, by one larger prefix, by two smaller
 * ones, by those of another peer. Peer 0 has the default route, and must never be
 * found.
 */
struct replacement {
	struct {
		const char *address;
		u8 cidr;
		int peer;
	} before[2], after[2];
};

static const struct replacement replacements[] = {
	{ { { "10.0.0.0", 8, 1 } }, { { "10.0.0.0", 8, 1 } } },
	{ { { "10.0.0.0", 8, 1 } }, { { "10.0.0.0", 8, 2 } } },
	{ { { "10.0.0.0", 8, 1 } }, { { "10.0.0.0", 9, 1 }, { "10.128.0.0", 9, 1 } } },
	{ { { "10.0.0.0", 8, 1 } }, { { "10.0.0.0", 7, 2 } } },
	{ { { "10.0.0.0", 9, 1 }, { "10.128.0.0", 9, 1 } }, { { "10.0.0.0", 8, 1 } } },
	{ { { "10.0.0.0", 9, 1 }, { "10.128.0.0", 9, 2 } },
	  { { "10.0.0.0", 9, 2 }, { "10.128.0.0", 9, 1 } } },
};

static struct {
	struct kunit *test;
	struct oracle *o;
	const struct replacement *change;
	struct list_head aside;
	int step, at; /* the event is before step @at, or before each step if that is -1 */
	void (*then)(void);
	bool inside;
} play;

/* Called before each step of allowedips.c. */
void test_allowedips_step(void)
{
	if (!play.then || play.inside || (play.at >= 0 && play.step++ != play.at))
		return;
	play.inside = true;
	play.then();
	play.inside = false;
}

static void play_prepare(const struct replacement *change)
{
	struct oracle *o = play.o;
	u8 addr[16];
	int i;

	play.change = change;
	INIT_LIST_HEAD(&play.aside);
	give(play.test, o, "0.0.0.0", 0, 0);
	for (i = 0; i < 2 && change->before[i].address; i++)
		give(play.test, o, change->before[i].address, change->before[i].cidr,
		     change->before[i].peer);
	mutex_lock(&o->lock);
	for (i = 0; i < 2 && change->after[i].address; i++) {
		in4_pton(change->after[i].address, -1, addr, -1, NULL);
		KUNIT_EXPECT_EQ(play.test,
				fwg_allowedips_reserve(&o->ips, AF_INET, addr,
						       change->after[i].cidr, &play.aside),
				0);
	}
}

static void play_change(void)
{
	const struct replacement *change = play.change;
	struct oracle *o = play.o;
	u8 addr[16];
	int i;

	list_splice_tail_init(&o->peers[1], &play.aside);
	list_splice_tail_init(&o->peers[2], &play.aside);
	for (i = 0; i < 2 && change->after[i].address; i++) {
		in4_pton(change->after[i].address, -1, addr, -1, NULL);
		fwg_allowedips_give(&o->ips, AF_INET, addr, change->after[i].cidr,
				    peer_at(o, change->after[i].peer),
				    &o->peers[change->after[i].peer]);
	}
	fwg_allowedips_release(&o->ips, &play.aside);
}

static void play_finish(void)
{
	int i;

	mutex_unlock(&play.o->lock);
	for (i = 0; i < PEERS; i++)
		take_all(play.o, i);
}

static void play_look(void)
{
	struct fwg_peer *low = whose(play.o, "10.1.2.3"), *high = whose(play.o, "10.200.2.3");

	KUNIT_EXPECT_TRUE(play.test, low == peer_at(play.o, 1) || low == peer_at(play.o, 2));
	KUNIT_EXPECT_TRUE(play.test, high == peer_at(play.o, 1) || high == peer_at(play.o, 2));
}

/* A lookup happens before each step of the writer. */
static void replaced_in_one_step(struct kunit *test)
{
	int i;

	play.test = test;
	play.o = oracle_create(test);
	for (i = 0; i < ARRAY_SIZE(replacements); i++) {
		play_prepare(&replacements[i]);
		play.at = -1;
		play.then = play_look;
		play_change();
		play.then = NULL;
		play_look();
		play_finish();
	}
	oracle_destroy(test, play.o);
}

/* The whole change happens during a lookup, before each of its steps in turn. */
static void replaced_within_a_lookup(struct kunit *test)
{
	bool changed;
	int i, at;

	play.test = test;
	play.o = oracle_create(test);
	for (i = 0; i < ARRAY_SIZE(replacements); i++) {
		for (at = 0, changed = true; changed; at++) {
			play_prepare(&replacements[i]);
			play.at = at;
			play.step = 0;
			play.then = play_change;
			play_look();
			play.then = NULL;
			changed = play.step > at;
			if (!changed)
				play_change();
			play_finish();
		}
		KUNIT_EXPECT_GT(test, at, 4);
	}
	oracle_destroy(test, play.o);
}

static struct kunit_case allowedips_cases[] = {
	KUNIT_CASE(longest_prefix_wins),
	KUNIT_CASE(one_prefix_is_removed),
	KUNIT_CASE(prefixes_nest),
	KUNIT_CASE(reserved_is_nobodys),
	KUNIT_CASE(replaced_in_one_step),
	KUNIT_CASE(replaced_within_a_lookup),
	KUNIT_CASE(random_against_brute_force),
	{},
};

static struct kunit_suite allowedips_suite = {
	.name = "allowedips",
	.test_cases = allowedips_cases,
};

kunit_test_suite(allowedips_suite);
