// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the queues of packets to the stack; included by module/inbound.c, whose
 * static parts they use.
 */

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>

/* Reserved by IEEE 802 for experiments: no other handler takes such packets. */
#define TEST_PROTOCOL ETH_P_802_EX1

struct world {
	struct net_device *dev;
	struct fwg_inbound inbound;
	struct packet_type stack;
	u32 next, delivered; /* numbers of packets */
	unsigned int out_of_order;
	u32 add_at; /* when this packet is delivered, add another one */
};

static struct world *world;

static bool test_add(struct kunit *test)
{
	struct sk_buff *skb = alloc_skb(128, GFP_ATOMIC);
	bool added;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_reserve(skb, 64);
	*(u32 *)skb_put(skb, sizeof(u32)) = world->next;
	skb->dev = world->dev;
	skb->protocol = htons(TEST_PROTOCOL);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	local_bh_disable();
	added = fwg_inbound_add(&world->inbound, skb);
	if (added)
		world->next++;
	else
		kfree_skb(skb);
	local_bh_enable();
	return added;
}

static int stack_receives(struct sk_buff *skb, struct net_device *dev, struct packet_type *type,
			  struct net_device *orig_dev)
{
	u32 number = *(u32 *)skb->data;

	if (number != world->delivered)
		world->out_of_order++;
	world->delivered++;
	if (number == world->add_at)
		test_add(current->kunit_test);
	kfree_skb(skb);
	return 0;
}

static void expect_all_delivered(struct kunit *test)
{
	int tries;

	for (tries = 0; tries < 1000 && READ_ONCE(world->delivered) < world->next; tries++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, world->delivered, world->next);
	KUNIT_EXPECT_EQ(test, world->out_of_order, 0U);
}

static void threaded(struct kunit *test, bool yes)
{
	rtnl_lock();
	KUNIT_EXPECT_EQ(test, dev_set_threaded(world->dev, yes), 0);
	rtnl_unlock();
}

/* The number of waiting packets is bounded: the latest are dropped. The others stay in order. */
static void packets_are_bounded_and_in_order(struct kunit *test)
{
	unsigned int i, added = 0;

	local_bh_disable();
	for (i = 0; i < MAX_INBOUND_PACKETS + 10; i++)
		added += test_add(test);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, added, (unsigned int)MAX_INBOUND_PACKETS);
	expect_all_delivered(test);
	KUNIT_EXPECT_TRUE(test, test_add(test));
	expect_all_delivered(test);
}

/* A packet that is added while the poll hands on the last ones is handed on, too. */
static void poll_misses_no_packet(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 200; i++) {
		world->add_at = world->next + i % 3;
		local_bh_disable();
		for (; world->next <= world->add_at;)
			KUNIT_ASSERT_TRUE(test, test_add(test));
		local_bh_enable();
		expect_all_delivered(test);
		KUNIT_EXPECT_EQ(test, world->delivered, world->add_at + 2);
	}
}

/*
 * With threaded NAPI, a thread polls on any CPU while packets are added on this one.
 * On more than one CPU, the queue of gro_cells got a wrong count that way, and stalled.
 */
static void thread_misses_no_packet(struct kunit *test)
{
	unsigned int i;

	threaded(test, true);
	for (i = 0; i < 20000; i++) {
		/* Add one packet while another is taken. */
		test_add(test);
		if (i % 8)
			cpu_relax();
		else
			cond_resched();
	}
	expect_all_delivered(test);
	for (i = 0; i < 20; i++) {
		threaded(test, i % 2);
		KUNIT_EXPECT_TRUE(test, test_add(test));
		KUNIT_EXPECT_TRUE(test, test_add(test));
		expect_all_delivered(test);
	}
	threaded(test, false);
}

/* Closed queues hand on nothing, and are empty. */
static void closed_queues_are_empty(struct kunit *test)
{
	struct fwg_inbound_queue *queue;
	int cpu;

	local_bh_disable();
	KUNIT_EXPECT_TRUE(test, test_add(test));
	local_bh_enable();
	expect_all_delivered(test);
	fwg_inbound_close(&world->inbound);
	for_each_possible_cpu(cpu) {
		queue = per_cpu_ptr(world->inbound.queues, cpu);
		KUNIT_EXPECT_TRUE(test, skb_queue_empty(&queue->arrived));
		KUNIT_EXPECT_TRUE(test, skb_queue_empty(&queue->taken));
	}
	fwg_inbound_open(&world->inbound);
	KUNIT_EXPECT_TRUE(test, test_add(test));
	expect_all_delivered(test);
}

static void test_setup(struct net_device *dev)
{
	dev->features = NETIF_F_GRO;
}

static int inbound_test_init(struct kunit *test)
{
	world = kunit_kzalloc(test, sizeof(*world), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, world);
	world->add_at = U32_MAX;
	world->dev = alloc_netdev(0, "inbound%d", NET_NAME_ENUM, test_setup);
	KUNIT_ASSERT_NOT_NULL(test, world->dev);
	rtnl_lock();
	KUNIT_ASSERT_EQ(test, fwg_inbound_init(&world->inbound, world->dev), 0);
	fwg_inbound_open(&world->inbound);
	rtnl_unlock();
	world->stack.type = htons(TEST_PROTOCOL);
	world->stack.dev = world->dev;
	world->stack.func = stack_receives;
	dev_add_pack(&world->stack);
	return 0;
}

static void inbound_test_exit(struct kunit *test)
{
	fwg_inbound_close(&world->inbound);
	dev_remove_pack(&world->stack);
	fwg_inbound_destroy(&world->inbound);
	free_netdev(world->dev);
}

static struct kunit_case inbound_cases[] = {
	KUNIT_CASE(packets_are_bounded_and_in_order),
	KUNIT_CASE(poll_misses_no_packet),
	KUNIT_CASE(thread_misses_no_packet),
	KUNIT_CASE(closed_queues_are_empty),
	{},
};

static struct kunit_suite inbound_suite = {
	.name = "inbound",
	.init = inbound_test_init,
	.exit = inbound_test_exit,
	.test_cases = inbound_cases,
};

kunit_test_suite(inbound_suite);
