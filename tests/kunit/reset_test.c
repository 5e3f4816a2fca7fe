// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of reset; included by module/reset.c, whose static parts they use. Events
 * during a walk over the peers happen at its pauses; see pauses.h.
 */

#include "device.h"
#include "device_test.h"
#include "generation_test.h"

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/rtnetlink.h>

/* A time limit, reached only after a fault. */
#define LONG_ENOUGH (20 * HZ)

/* The peer at which a walk pauses first. */
#define FIRST_PAUSE (RESET_STEP - 1)

static u64 reset_test_id[2];
static const u64 *saved_id;
static generation_reset_fn saved_reset;

/* @at_pause is called once, at the next pause. */
static struct {
	void (*at_pause)(struct kunit *test, struct fwg_device *device);
	struct kunit *test;
	struct fwg_device *device;
	unsigned int pauses;
} walk;

/**
 * test_pause() - called when a walk pauses
 */
void test_pause(void)
{
	typeof(walk.at_pause) at_pause = walk.at_pause;

	test_cond_resched();
	walk.pauses++;
	if (!walk.test)
		return;
	KUNIT_EXPECT_FALSE(walk.test, debug_lockdep_rcu_enabled() && rcu_read_lock_held());
	walk.at_pause = NULL;
	if (at_pause)
		at_pause(walk.test, walk.device);
}

/* A function that runs in a thread of its own. */
struct aside {
	void (*fn)(struct fwg_device *device);
	struct fwg_device *device;
	struct completion done;
};

static int aside_thread(void *data)
{
	struct aside *aside = data;

	aside->fn(aside->device);
	complete_all(&aside->done);
	return 0;
}

static void begin_aside(struct kunit *test, struct aside *aside,
			void (*fn)(struct fwg_device *device), struct fwg_device *device)
{
	aside->fn = fn;
	aside->device = device;
	init_completion(&aside->done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(aside_thread, aside, "aside")));
}

static bool end_aside(struct aside *aside)
{
	return wait_for_completion_timeout(&aside->done, LONG_ENOUGH);
}

static void close_device(struct fwg_device *device)
{
	rtnl_lock();
	dev_close(device->dev);
	rtnl_unlock();
}

static void destroy_device(struct fwg_device *device)
{
	rtnl_lock();
	unregister_netdevice(device->dev);
	rtnl_unlock();
}

static void begin_handshake(struct kunit *test, struct fwg_peer *peer)
{
	struct message_initiation *msg = kunit_kzalloc(test, sizeof(*msg), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, msg);
	KUNIT_EXPECT_EQ(test, fwg_noise_initiate(peer->noise, msg), 0);
}

/* A device with peers. The first peer, and those around a pause, have secrets. */
static struct fwg_device *create_device(struct kunit *test, unsigned int peers)
{
	struct fwg_device *device = test_device_create(test);
	u8 key[NOISE_PUBLIC_KEY_LEN];
	struct fwg_peer *peer;
	unsigned int i;

	/* A device that is down begins no handshakes on its own. */
	close_device(device);
	get_random_bytes(key, sizeof(key));
	fwg_noise_local_set_private_key(device->noise, key);
	for (i = 0; i < peers; i++) {
		get_random_bytes(key, sizeof(key));
		mutex_lock(&device->lock);
		peer = fwg_peer_create(device, key, NULL);
		KUNIT_EXPECT_TRUE(test, peer && !fwg_peer_publish(peer));
		mutex_unlock(&device->lock);
		KUNIT_ASSERT_NOT_NULL(test, peer);
		if (i % RESET_STEP < 3 || i % RESET_STEP > RESET_STEP - 3)
			begin_handshake(test, peer);
	}
	return device;
}

static struct fwg_peer *first_peer(struct fwg_device *device)
{
	return list_first_entry(&device->peers, struct fwg_peer, list);
}

/* How many peers still have a stale secret. */
static unsigned int count_stale(struct fwg_device *device)
{
	struct fwg_peer *peer;
	unsigned int n = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(peer, &device->peers, list)
		n += fwg_noise_peer_reset(peer->noise) != NOISE_WIPED_NOTHING;
	rcu_read_unlock();
	return n;
}

static void set_pause(struct kunit *test, struct fwg_device *device,
		      void (*at_pause)(struct kunit *test, struct fwg_device *device))
{
	walk.test = test;
	walk.device = device;
	walk.pauses = 0;
	walk.at_pause = at_pause;
}

/* R6: wiping is done in bounded steps, between which other threads run and grace periods end. */
static void walk_goes_in_steps(struct kunit *test)
{
	struct fwg_device *device = create_device(test, 3 * RESET_STEP + 1);

	set_pause(test, device, NULL);
	fwg_reset_force_device(device);
	KUNIT_EXPECT_EQ(test, walk.pauses, 3U);
	KUNIT_EXPECT_EQ(test, count_stale(device), 0U);
	destroy_device(device);
}

static const struct {
	unsigned int from, to;
} removals[] = {
	{ FIRST_PAUSE, FIRST_PAUSE },
	{ FIRST_PAUSE, FIRST_PAUSE + 2 },
	{ FIRST_PAUSE + 1, FIRST_PAUSE + 2 },
	{ 0, 0 },
	{ 0, FIRST_PAUSE - 1 },
	{ 0, FIRST_PAUSE },
	{ FIRST_PAUSE, 2 * RESET_STEP },
	{ 0, 2 * RESET_STEP },
};

static unsigned int removal;

static void remove_peers(struct fwg_device *device)
{
	struct fwg_peer *peer, *next;
	unsigned int i = 0;
	LIST_HEAD(removed);
	LIST_HEAD(ips);

	mutex_lock(&device->lock);
	list_for_each_entry_safe(peer, next, &device->peers, list) {
		if (i >= removals[removal].from && i <= removals[removal].to)
			fwg_peer_unlink(peer, &ips, &removed);
		i++;
	}
	fwg_allowedips_release(&device->allowedips, &ips);
	fwg_peer_finish_removal(&removed);
	mutex_unlock(&device->lock);
	/* All peers are freed, except one that the walk holds. */
	rcu_barrier();
}

static void remove_peers_at_pause(struct kunit *test, struct fwg_device *device)
{
	struct aside *aside = kunit_kzalloc(test, sizeof(*aside), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, aside);
	begin_aside(test, aside, remove_peers, device);
	KUNIT_EXPECT_TRUE(test, end_aside(aside));
}

/* Peers may be removed during a walk, including the one at which it pauses. */
static void peers_go_during_a_walk(struct kunit *test)
{
	struct fwg_device *device;

	for (removal = 0; removal < ARRAY_SIZE(removals); removal++) {
		device = create_device(test, 2 * RESET_STEP + 1);
		set_pause(test, device, remove_peers_at_pause);
		fwg_reset_force_device(device);
		KUNIT_EXPECT_PTR_EQ(test, walk.at_pause, NULL);
		KUNIT_EXPECT_EQ_MSG(test, count_stale(device), 0U, "removal %u", removal);
		KUNIT_EXPECT_EQ(test, device->num_peers,
				2 * RESET_STEP + removals[removal].from - removals[removal].to);
		destroy_device(device);
	}
}

static struct fwg_device *neighbour;
static struct aside going, neighbour_going;

static void devices_go(struct kunit *test, struct fwg_device *device)
{
	begin_aside(test, &going, destroy_device, device);
	begin_aside(test, &neighbour_going, destroy_device, neighbour);
	KUNIT_EXPECT_TRUE(test, end_aside(&neighbour_going));
	KUNIT_EXPECT_FALSE(test, completion_done(&going.done));
}

/* A device may be deleted while it is reset, or while the one before it is. */
static void devices_go_during_a_reset(struct kunit *test)
{
	struct fwg_device *device = create_device(test, 2 * RESET_STEP), *last;

	neighbour = create_device(test, 1);
	last = create_device(test, 1);
	set_pause(test, device, devices_go);
	fwg_generation_advance(&generation_root);
	fwg_device_reset(FORKGUARD_RESET_CAUSE_PACKET, true);
	KUNIT_EXPECT_TRUE(test, end_aside(&going));
	KUNIT_EXPECT_EQ(test, count_stale(last), 0U);
	KUNIT_EXPECT_EQ(test, fwg_reset_last(last).count, 1ULL);
	destroy_device(last);
}

/* R6: all secrets are stale at once, even during another reset of the same device. */
static void stale_before_wiped(struct kunit *test)
{
	struct fwg_device *device = create_device(test, 1);
	const struct generation_scope *scope = fwg_noise_local_scope(device->noise);
	struct generation_stamp stamp = fwg_generation_read(scope);
	unsigned long end = jiffies + LONG_ENOUGH;
	struct aside aside;

	mutex_lock(&device->reset_mutex);
	begin_aside(test, &aside, fwg_reset_force_device, device);
	while (fwg_generation_is_current(scope, &stamp) && time_before(jiffies, end))
		msleep(20);
	KUNIT_EXPECT_FALSE(test, fwg_generation_is_current(scope, &stamp));
	KUNIT_EXPECT_FALSE(test, completion_done(&aside.done));
	mutex_unlock(&device->reset_mutex);
	KUNIT_EXPECT_TRUE(test, end_aside(&aside));
	KUNIT_EXPECT_EQ(test, count_stale(device), 0U);
	destroy_device(device);
}

static void reset_neighbour(struct kunit *test, struct fwg_device *device)
{
	begin_aside(test, &neighbour_going, fwg_reset_force_device, neighbour);
	KUNIT_EXPECT_TRUE(test, end_aside(&neighbour_going));
	KUNIT_EXPECT_EQ(test, count_stale(neighbour), 0U);
	KUNIT_EXPECT_EQ(test, fwg_reset_last(neighbour).count, 1ULL);
	KUNIT_EXPECT_EQ(test, fwg_reset_last(device).count, 0ULL);
}

/* R6: the reset of a device does not wait for a walk over the peers of another. */
static void devices_wait_for_themselves_only(struct kunit *test)
{
	struct fwg_device *device = create_device(test, 2 * RESET_STEP);

	neighbour = create_device(test, 1);
	set_pause(test, device, reset_neighbour);
	fwg_reset_force_device(device);
	KUNIT_EXPECT_PTR_EQ(test, walk.at_pause, NULL);
	/* In case it waited. */
	KUNIT_EXPECT_TRUE(test, end_aside(&neighbour_going));
	KUNIT_EXPECT_EQ(test, fwg_reset_last(device).count, 1ULL);
	destroy_device(neighbour);
	destroy_device(device);
}

static bool looping;
static unsigned int loops;

static void reset_in_a_loop(struct fwg_device *device)
{
	while (READ_ONCE(looping)) {
		fwg_reset_force_device(device);
		WRITE_ONCE(loops, loops + 1);
		test_cond_resched();
	}
}

/* R6: a reset of all devices does not wait for one that is reset again and again. */
static void loop_of_resets_delays_nobody(struct kunit *test)
{
	struct fwg_device *device = create_device(test, 2 * RESET_STEP);
	unsigned long end = jiffies + LONG_ENOUGH;
	unsigned int before;
	struct aside aside;

	neighbour = create_device(test, 1);
	loops = 0;
	WRITE_ONCE(looping, true);
	begin_aside(test, &aside, reset_in_a_loop, device);
	while (!READ_ONCE(loops) && time_before(jiffies, end))
		msleep(20);
	fwg_generation_advance(&generation_root);
	fwg_device_reset(FORKGUARD_RESET_CAUSE_PACKET, true);
	KUNIT_EXPECT_EQ(test, fwg_reset_last(neighbour).count, 1ULL);
	KUNIT_EXPECT_EQ(test, count_stale(neighbour), 0U);
	before = READ_ONCE(loops);
	while (READ_ONCE(loops) == before && time_before(jiffies, end))
		msleep(20);
	KUNIT_EXPECT_GT(test, READ_ONCE(loops), before);
	WRITE_ONCE(looping, false);
	KUNIT_EXPECT_TRUE(test, end_aside(&aside));
	destroy_device(neighbour);
	destroy_device(device);
}

static struct aside waiting[3];

static void more_resets_come(struct kunit *test, struct fwg_device *device)
{
	const struct generation_scope *scope = fwg_noise_local_scope(device->noise);
	u64 epoch = fwg_generation_epoch(scope);
	unsigned long end = jiffies + LONG_ENOUGH;
	int i;

	/* The walk has passed this peer: the next one has to wipe it. */
	begin_handshake(test, first_peer(device));
	for (i = 0; i < ARRAY_SIZE(waiting); i++)
		begin_aside(test, &waiting[i], fwg_reset_force_device, device);
	while (fwg_generation_epoch(scope) != epoch + i && time_before(jiffies, end))
		msleep(20);
	KUNIT_EXPECT_EQ(test, fwg_generation_epoch(scope), epoch + i);
}

/* R7: a reset during a walk gets another walk, shared by all that wait. */
static void waiting_resets_are_one(struct kunit *test)
{
	struct fwg_device *device = create_device(test, 2 * RESET_STEP);
	int i;

	set_pause(test, device, more_resets_come);
	fwg_reset_force_device(device);
	for (i = 0; i < ARRAY_SIZE(waiting); i++)
		KUNIT_EXPECT_TRUE(test, end_aside(&waiting[i]));
	KUNIT_EXPECT_EQ(test, fwg_reset_last(device).count, 2ULL);
	KUNIT_EXPECT_EQ(test, count_stale(device), 0U);
	/* Each later reset counts as one, although nothing is stale. */
	fwg_reset_force_device(device);
	KUNIT_EXPECT_EQ(test, fwg_reset_last(device).count, 3ULL);
	destroy_device(device);
}

/* R7: without a notification, a new handshake notices a fork, and everything is reset. */
static void new_handshake_notices_a_fork(struct kunit *test)
{
	struct fwg_device *device = create_device(test, 3);
	unsigned long end = jiffies + LONG_ENOUGH;
	u64 forks = fwg_generation_forks();

	reset_test_id[0]++;
	begin_handshake(test, first_peer(device));
	/* At once: the look that comes once a second would notice, too. */
	KUNIT_EXPECT_EQ(test, fwg_generation_forks(), forks + 1);
	while (!fwg_reset_last(device).count && time_before(jiffies, end))
		msleep(20);
	KUNIT_EXPECT_EQ(test, fwg_reset_last(device).count, 1ULL);
	KUNIT_EXPECT_EQ(test, fwg_generation_forks(), forks + 1);
	KUNIT_EXPECT_EQ(test, count_stale(device), 0U);
	destroy_device(device);
}

static int reset_test_init(struct kunit *test)
{
	saved_id = generation_id;
	generation_id = reset_test_id;
	reset_test_id[0]++;
	test_settle_resets();
	saved_reset = test_swap_reset(fwg_device_reset);
	return 0;
}

static void reset_test_exit(struct kunit *test)
{
	set_pause(NULL, NULL, NULL);
	generation_id = saved_id;
	test_settle_resets();
	test_swap_reset(saved_reset);
}

static struct kunit_case reset_cases[] = {
	KUNIT_CASE(walk_goes_in_steps),
	KUNIT_CASE(peers_go_during_a_walk),
	KUNIT_CASE(devices_go_during_a_reset),
	KUNIT_CASE(stale_before_wiped),
	KUNIT_CASE(devices_wait_for_themselves_only),
	KUNIT_CASE(loop_of_resets_delays_nobody),
	KUNIT_CASE(waiting_resets_are_one),
	KUNIT_CASE(new_handshake_notices_a_fork),
	{},
};

static struct kunit_suite reset_suite = {
	.name = "reset",
	.init = reset_test_init,
	.exit = reset_test_exit,
	.test_cases = reset_cases,
};

kunit_test_suite(reset_suite);
