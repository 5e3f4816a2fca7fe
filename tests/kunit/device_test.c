// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what a device and its peers do at a reset; included by
 * module/device.c, to see its inside. The other end is a bare noise layer.
 */

#include "generation_test.h"

#include <kunit/test.h>
#include <linux/delay.h>

static u64 device_test_id[2];
static const u64 *saved_id;
static generation_reset_fn saved_reset;

/* Not a multiple of the padding. */
#define PACKET_LEN 61

struct tunnel {
	struct fg_device *device;
	struct fg_peer *peer;
	struct noise_local *remote;
	struct noise_peer *us;
	struct message_initiation *initiation;
	struct message_response *response;
};

static bool remote_hold(struct fg_peer *owner)
{
	return true;
}

static void remote_release(struct fg_peer *owner)
{
}

static const struct noise_owner_ops remote_ops = { remote_hold, remote_release };

static struct fg_device *tunnel_device(struct kunit *test)
{
	struct nlattr *tb[IFLA_MAX + 1] = {};
	struct net_device *dev;

	rtnl_lock();
	dev = rtnl_create_link(&init_net, "fwgtest%d", NET_NAME_ENUM, &link_ops, tb, NULL);
	if (!IS_ERR(dev) && newlink(&init_net, dev, tb, NULL, NULL)) {
		free_netdev(dev);
		dev = NULL;
	}
	if (!IS_ERR_OR_NULL(dev) && dev_open(dev, NULL)) {
		unregister_netdevice(dev);
		dev = NULL;
	}
	rtnl_unlock();
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(dev));
	return netdev_priv(dev);
}

static void tunnel_create(struct kunit *test, struct tunnel *t)
{
	static const u8 our_key[NOISE_PUBLIC_KEY_LEN] = { 1 },
			remote_key[] = { [0 ... NOISE_PUBLIC_KEY_LEN - 1] = 2 };
	struct endpoint endpoint = {
		.addr4.sin_family = AF_INET,
		.addr4.sin_port = htons(9),
		.addr4.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	u8 public_key[NOISE_PUBLIC_KEY_LEN];

	t->initiation = kunit_kzalloc(test, sizeof(*t->initiation), GFP_KERNEL);
	t->response = kunit_kzalloc(test, sizeof(*t->response), GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, t->initiation && t->response);
	t->remote = noise_local_create(&remote_ops);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->remote));
	t->device = tunnel_device(test);
	noise_local_set_private_key(t->device->noise, our_key);
	noise_local_set_private_key(t->remote, remote_key);

	noise_local_identity(t->device->noise, NULL, public_key);
	t->us = noise_peer_create(t->remote, (struct fg_peer *)t, public_key, NULL);
	KUNIT_ASSERT_NOT_NULL(test, t->us);
	KUNIT_ASSERT_EQ(test, noise_peer_publish(t->us), 0);
	noise_local_identity(t->remote, NULL, public_key);
	mutex_lock(&t->device->lock);
	t->peer = peer_create(t->device, public_key, NULL);
	mutex_unlock(&t->device->lock);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->peer));
	socket_set_endpoint(t->peer, &endpoint);
}

static void tunnel_destroy(struct tunnel *t)
{
	rtnl_lock();
	unregister_netdevice(t->device->dev);
	rtnl_unlock();
	noise_peer_remove(t->us);
	noise_peer_free(t->us);
	noise_local_destroy(t->remote);
}

static void tunnel_connect(struct kunit *test, struct tunnel *t)
{
	struct fg_peer *owner;

	flush_work(&t->peer->initiation_work);
	msleep(50); /* initiations are accepted at a limited rate */
	KUNIT_ASSERT_EQ(test, noise_initiate(t->peer->noise, t->initiation), 0);
	KUNIT_ASSERT_EQ(test, noise_respond(t->remote, t->initiation, t->response, &owner), 0);
	KUNIT_ASSERT_EQ(test, noise_finish(t->device->noise, t->response, &owner), 0);
	KUNIT_EXPECT_PTR_EQ(test, owner, t->peer);
	peer_put(owner);
}

static void tunnel_stage(struct kunit *test, struct tunnel *t, unsigned int n)
{
	struct sk_buff_head packets;
	struct sk_buff *skb;

	__skb_queue_head_init(&packets);
	while (n--) {
		skb = alloc_skb(256, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb_reserve(skb, 128);
		memset(skb_put(skb, PACKET_LEN), 'x', PACKET_LEN);
		skb->dev = t->device->dev;
		*SEND_CB(skb) = (struct send_cb){ .mtu = 1420 };
		__skb_queue_tail(&packets, skb);
	}
	send_stage(t->peer, &packets);
}

/* Nothing was added to the packets that wait, nothing taken from them. */
static void tunnel_expect_staged(struct kunit *test, struct tunnel *t, unsigned int n)
{
	struct sk_buff *skb;

	KUNIT_EXPECT_EQ(test, skb_queue_len(&t->peer->staged), n);
	skb_queue_walk(&t->peer->staged, skb) {
		KUNIT_EXPECT_EQ(test, skb->len, (unsigned int)PACKET_LEN);
		KUNIT_EXPECT_NULL(test, memchr_inv(skb->data, 'x', PACKET_LEN));
	}
}

static void fork_tunnel(void)
{
	device_test_id[0]++;
}

static void fork_and_reset(void)
{
	fork_tunnel();
	device_reset(&generation_root, FORKGUARD_RESET_CAUSE_PACKET);
}

/* R4: packets that meet a stale session, or a reset, wait for the next one. */
static void packets_survive_a_fork(struct kunit *test)
{
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	tunnel_stage(test, &t, 3);
	send_staged(t.peer);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&t.peer->staged), 0U);

	fork_tunnel();
	tunnel_stage(test, &t, 3);
	send_staged(t.peer);
	tunnel_expect_staged(test, &t, 3);
	device_reset(&generation_root, FORKGUARD_RESET_CAUSE_PACKET);
	tunnel_expect_staged(test, &t, 3);

	tunnel_connect(test, &t);
	send_staged(t.peer);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&t.peer->staged), 0U);
	tunnel_destroy(&t);
}

/* What waits is bounded: the oldest go. */
static void staged_packets_are_bounded(struct kunit *test)
{
	struct tunnel t;
	int i;

	tunnel_create(test, &t);
	for (i = 0; i < 10; i++)
		tunnel_stage(test, &t, 50);
	KUNIT_EXPECT_LE(test, skb_queue_len(&t.peer->staged), MAX_STAGED_PACKETS + 50U);
	send_staged(t.peer);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&t.peer->staged), (u32)MAX_STAGED_PACKETS);
	tunnel_destroy(&t);
}

/* R8: a peer that had a session gets a handshake, soon and without traffic. */
static void reset_recovers_by_itself(struct kunit *test)
{
	struct tunnel t;
	s64 last;

	tunnel_create(test, &t);
	device_reset(&generation_root, FORKGUARD_RESET_CAUSE_FORCED);
	KUNIT_EXPECT_FALSE_MSG(test, timer_pending(&t.peer->timers.recover), "without a session");

	/* Even if a handshake was sent just before. */
	send_queue_initiation(t.peer, false);
	tunnel_connect(test, &t);
	last = atomic64_read(&t.peer->last_handshake_sent);
	fork_and_reset();
	KUNIT_EXPECT_TRUE(test, timer_pending(&t.peer->timers.recover));
	msleep(RECOVERY_INTERVAL + MSEC_PER_SEC / 3 + 200);
	flush_work(&t.peer->initiation_work);
	KUNIT_EXPECT_GT(test, atomic64_read(&t.peer->last_handshake_sent), last);
	KUNIT_EXPECT_TRUE(test, timer_pending(&t.peer->timers.retransmit_handshake));
	tunnel_destroy(&t);
}

/* R8: a reset that finds a peer given up, and tried again but slowly, does not wait so long. */
static void reset_hurries_who_gave_up(struct kunit *test)
{
	unsigned long slowly = jiffies + REKEY_AFTER_TIME * HZ;
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	fork_and_reset();
	noise_peer_clear(t.peer->noise);
	mod_timer(&t.peer->timers.recover, slowly);
	fork_and_reset();
	KUNIT_EXPECT_TRUE(test, timer_pending(&t.peer->timers.recover));
	KUNIT_EXPECT_TRUE(test, time_before(t.peer->timers.recover.expires, jiffies + HZ));

	/* The user's choice ends it. */
	timers_stop(t.peer);
	KUNIT_EXPECT_FALSE(test, t.peer->recovering);
	tunnel_destroy(&t);
}

/* R8: what a reset has begun is not ended by a handshake that it wiped. */
static void wiped_handshake_is_not_complete(struct kunit *test)
{
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	fork_and_reset();
	timers_handshake_initiated(t.peer);
	timers_handshake_complete(t.peer);
	KUNIT_EXPECT_TRUE(test, timer_pending(&t.peer->timers.retransmit_handshake));
	KUNIT_EXPECT_TRUE(test, t.peer->recovering);

	tunnel_connect(test, &t);
	timers_handshake_complete(t.peer);
	KUNIT_EXPECT_FALSE(test, timer_pending(&t.peer->timers.retransmit_handshake));
	KUNIT_EXPECT_FALSE(test, t.peer->recovering);
	tunnel_destroy(&t);
}

/* R6: a reset waits for no configuration: it needs neither rtnl nor device lock. */
static void reset_needs_no_lock(struct kunit *test)
{
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	rtnl_lock();
	mutex_lock(&t.device->lock);
	generation_force(noise_local_scope(t.device->noise));
	rcu_read_lock();
	KUNIT_EXPECT_NULL(test, noise_session_current(t.peer->noise));
	rcu_read_unlock();
	mutex_unlock(&t.device->lock);
	rtnl_unlock();
	tunnel_destroy(&t);
}

/* R7: what was reset is counted once, with its cause, where it belongs. */
static void reset_is_recorded(struct kunit *test)
{
	struct tunnel t, other;

	tunnel_create(test, &t);
	tunnel_create(test, &other);
	generation_force(noise_peer_scope(t.peer->noise));
	KUNIT_EXPECT_EQ(test, t.device->last_reset.count, 1ULL);
	KUNIT_EXPECT_EQ(test, t.device->last_reset.cause, FORKGUARD_RESET_CAUSE_FORCED);
	KUNIT_EXPECT_EQ(test, other.device->last_reset.count, 0ULL);
	generation_force(noise_local_scope(t.device->noise));
	KUNIT_EXPECT_EQ(test, t.device->last_reset.count, 2ULL);
	KUNIT_EXPECT_EQ(test, other.device->last_reset.count, 0ULL);
	device_reset(&generation_root, FORKGUARD_RESET_CAUSE_NOTIFIER);
	KUNIT_EXPECT_EQ(test, t.device->last_reset.count, 3ULL);
	KUNIT_EXPECT_EQ(test, other.device->last_reset.count, 1ULL);
	KUNIT_EXPECT_EQ(test, other.device->last_reset.cause, FORKGUARD_RESET_CAUSE_NOTIFIER);
	tunnel_destroy(&other);
	tunnel_destroy(&t);
}

static int device_test_init(struct kunit *test)
{
	saved_id = generation_id;
	generation_id = device_test_id;
	fork_tunnel();
	test_settle_resets();
	saved_reset = test_swap_reset(device_reset);
	return 0;
}

static void device_test_exit(struct kunit *test)
{
	generation_id = saved_id;
	test_settle_resets();
	test_swap_reset(saved_reset);
}

static struct kunit_case device_cases[] = {
	KUNIT_CASE(packets_survive_a_fork),
	KUNIT_CASE(staged_packets_are_bounded),
	KUNIT_CASE(reset_recovers_by_itself),
	KUNIT_CASE(reset_hurries_who_gave_up),
	KUNIT_CASE(wiped_handshake_is_not_complete),
	KUNIT_CASE(reset_needs_no_lock),
	KUNIT_CASE(reset_is_recorded),
	{},
};

static struct kunit_suite device_suite = {
	.name = "device",
	.init = device_test_init,
	.exit = device_test_exit,
	.test_cases = device_cases,
};

kunit_test_suite(device_suite);
