// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of a device and its peers, and of their resets; included by module/device.c,
 * whose static parts they use. The other end is a bare noise layer.
 */

#include "device_test.h"
#include "generation_test.h"
#include "timers.h"

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/if_vlan.h>
#include <net/udp_tunnel.h>

static u64 device_test_id[2];
static const u64 *saved_id;
static generation_reset_fn saved_reset;

/* Not a multiple of the padding. */
#define PACKET_LEN 61

static struct sk_buff_head wire;

struct tunnel {
	struct fwg_device *device;
	struct fwg_peer *peer;
	struct noise_local *remote;
	struct noise_peer *us;
	struct socket *socket; /* of the other end, if it listens */
	struct message_initiation *initiation;
	struct message_response *response;
};

static bool remote_hold(struct fwg_peer *owner)
{
	return true;
}

static void remote_release(struct fwg_peer *owner)
{
}

static const struct noise_owner_ops remote_ops = { remote_hold, remote_release };

/**
 * test_device_create() - create an interface and bring it up
 * @test: the test
 *
 * Return: its device, to be unregistered by the test.
 */
struct fwg_device *test_device_create(struct kunit *test)
{
	struct nlattr *tb[IFLA_MAX + 1] = {};
	struct net_device *dev;

	rtnl_lock();
	dev = rtnl_create_link(&init_net, "fwgtest%d", NET_NAME_ENUM, &link_ops, tb, NULL);
	if (!IS_ERR(dev) && fwg_newlink(&init_net, dev, tb, NULL, NULL)) {
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

	t->socket = NULL;
	t->initiation = kunit_kzalloc(test, sizeof(*t->initiation), GFP_KERNEL);
	t->response = kunit_kzalloc(test, sizeof(*t->response), GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, t->initiation && t->response);
	t->remote = fwg_noise_local_create(&remote_ops);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->remote));
	t->device = test_device_create(test);
	fwg_noise_local_set_private_key(t->device->noise, our_key);
	fwg_noise_local_set_private_key(t->remote, remote_key);

	fwg_noise_local_identity(t->device->noise, NULL, public_key);
	t->us = fwg_noise_peer_create(t->remote, (struct fwg_peer *)t, public_key, NULL);
	KUNIT_ASSERT_NOT_NULL(test, t->us);
	KUNIT_ASSERT_EQ(test, fwg_noise_peer_publish(t->us), 0);
	fwg_noise_local_identity(t->remote, NULL, public_key);
	mutex_lock(&t->device->lock);
	t->peer = fwg_peer_create(t->device, public_key, NULL);
	KUNIT_EXPECT_TRUE(test, t->peer && !fwg_peer_publish(t->peer));
	mutex_unlock(&t->device->lock);
	KUNIT_ASSERT_NOT_NULL(test, t->peer);
	fwg_path_set(&t->peer->path, &endpoint);
}

static void tunnel_destroy(struct tunnel *t)
{
	if (t->socket)
		udp_tunnel_sock_release(t->socket);
	skb_queue_purge(&wire);
	rtnl_lock();
	unregister_netdevice(t->device->dev);
	rtnl_unlock();
	fwg_noise_peer_remove(t->us);
	fwg_noise_peer_free(t->us);
	fwg_noise_local_destroy(t->remote);
}

static void tunnel_connect(struct kunit *test, struct tunnel *t)
{
	struct fwg_peer *owner;

	flush_work(&t->peer->initiation_work);
	msleep(50); /* initiations are accepted at a limited rate */
	KUNIT_ASSERT_EQ(test, fwg_noise_initiate(t->peer->noise, t->initiation), 0);
	KUNIT_ASSERT_EQ(test, fwg_noise_respond(t->remote, t->initiation, t->response, &owner), 0);
	KUNIT_ASSERT_EQ(test, fwg_noise_finish(t->device->noise, t->response, &owner), 0);
	KUNIT_EXPECT_PTR_EQ(test, owner, t->peer);
	fwg_peer_put(owner);
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
	spin_lock_bh(&t->peer->staged.lock);
	skb_queue_splice_tail(&packets, &t->peer->staged);
	spin_unlock_bh(&t->peer->staged.lock);
}

/* Exactly these packets wait, and they are unchanged. */
static void tunnel_expect_staged(struct kunit *test, struct tunnel *t, unsigned int n)
{
	struct sk_buff *skb;

	KUNIT_EXPECT_EQ(test, skb_queue_len(&t->peer->staged), n);
	skb_queue_walk(&t->peer->staged, skb) {
		KUNIT_EXPECT_EQ(test, skb->len, (unsigned int)PACKET_LEN);
		KUNIT_EXPECT_NULL(test, memchr_inv(skb->data, 'x', PACKET_LEN));
	}
}

static int on_wire(struct sock *sk, struct sk_buff *skb)
{
	__skb_pull(skb, sizeof(struct udphdr));
	skb_queue_tail(&wire, skb);
	return 0;
}

/* From now on the other end receives messages. */
static void tunnel_listen(struct kunit *test, struct tunnel *t)
{
	struct udp_port_cfg port = {
		.family = AF_INET,
		.local_ip.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct udp_tunnel_sock_cfg cfg = { .encap_type = 1, .encap_rcv = on_wire };
	struct endpoint endpoint = {
		.addr4.sin_family = AF_INET,
		.addr4.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	KUNIT_ASSERT_EQ(test, udp_sock_create(&init_net, &port, &t->socket), 0);
	setup_udp_tunnel_sock(&init_net, t->socket, &cfg);
	endpoint.addr4.sin_port = inet_sk(t->socket->sk)->inet_sport;
	fwg_path_set(&t->peer->path, &endpoint);
}

/* Send a packet, and return its message, which the caller frees. */
static struct sk_buff *tunnel_send(struct kunit *test, struct tunnel *t, struct sk_buff *skb)
{
	struct sk_buff_head packets;
	int i;

	__skb_queue_head_init(&packets);
	__skb_queue_tail(&packets, skb);
	fwg_send_packets(t->peer, &packets);
	for (i = 0; i < 100 && skb_queue_empty_lockless(&wire); i++)
		msleep(20);
	skb = skb_dequeue(&wire);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_ASSERT_EQ(test, skb_linearize(skb), 0);
	return skb;
}

/* Open a message at the other end: the plaintext remains in the skb. */
static void tunnel_open(struct kunit *test, struct tunnel *t, struct sk_buff *skb)
{
	struct message_data header;
	struct noise_session *session;
	struct scatterlist sg;
	int err = -ENOENT;

	KUNIT_ASSERT_GE(test, skb->len, (unsigned int)sizeof(header) + NOISE_TAG_LEN);
	memcpy(&header, skb->data, sizeof(header));
	__skb_pull(skb, sizeof(header));
	sg_init_one(&sg, skb->data, skb->len);
	local_bh_disable();
	rcu_read_lock();
	session = fwg_noise_session_find(t->remote, header.receiver_index);
	if (session)
		err = fwg_noise_open(session, &sg, skb->len, &header);
	rcu_read_unlock();
	local_bh_enable();
	KUNIT_ASSERT_EQ(test, err, 0);
	skb_trim(skb, skb->len - NOISE_TAG_LEN);
}

/* A packet as the interface gets it, to an address of the peer. */
static struct sk_buff *inner_packet(struct kunit *test, struct tunnel *t)
{
	static const u8 ours[] = { 10, 0, 0, 2 };
	struct sk_buff *skb = alloc_skb(256, GFP_KERNEL);
	struct allowedips *ips = &t->device->allowedips;
	struct iphdr *ip;
	LIST_HEAD(aside);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	mutex_lock(&t->device->lock);
	KUNIT_EXPECT_EQ(test, fwg_allowedips_reserve(ips, AF_INET, ours, 32, &aside), 0);
	fwg_allowedips_give(ips, AF_INET, ours, 32, t->peer, &t->peer->allowed);
	mutex_unlock(&t->device->lock);
	skb_reserve(skb, 128);
	skb_reset_network_header(skb);
	ip = skb_put_zero(skb, PACKET_LEN);
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons(PACKET_LEN);
	memcpy(&ip->daddr, ours, sizeof(ours));
	skb->protocol = htons(ETH_P_IP);
	skb->dev = t->device->dev;
	return skb;
}

static int tunnel_xmit(struct tunnel *t, struct sk_buff *skb)
{
	int err;

	local_bh_disable();
	err = fwg_xmit(skb, t->device->dev);
	local_bh_enable();
	return err;
}

static void fork_tunnel(void)
{
	device_test_id[0]++;
}

static void fork_and_reset(void)
{
	fork_tunnel();
	fwg_device_reset(FORKGUARD_RESET_CAUSE_PACKET, true);
}

/* R4: packets that meet a stale session, or a reset, wait for the next session. */
static void packets_survive_a_fork(struct kunit *test)
{
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	tunnel_stage(test, &t, 3);
	fwg_send_staged(t.peer);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&t.peer->staged), 0U);

	fork_tunnel();
	tunnel_stage(test, &t, 3);
	fwg_send_staged(t.peer);
	tunnel_expect_staged(test, &t, 3);
	fwg_device_reset(FORKGUARD_RESET_CAUSE_PACKET, true);
	tunnel_expect_staged(test, &t, 3);

	tunnel_connect(test, &t);
	fwg_send_staged(t.peer);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&t.peer->staged), 0U);
	tunnel_destroy(&t);
}

/* The number of waiting packets is bounded: the oldest are dropped. */
static void staged_packets_are_bounded(struct kunit *test)
{
	struct tunnel t;
	int i;

	tunnel_create(test, &t);
	for (i = 0; i < 10; i++) {
		tunnel_stage(test, &t, 50);
		fwg_send_staged(t.peer);
		KUNIT_EXPECT_LE(test, skb_queue_len(&t.peer->staged), (u32)MAX_STAGED_PACKETS);
	}
	KUNIT_EXPECT_EQ(test, skb_queue_len(&t.peer->staged), (u32)MAX_STAGED_PACKETS);
	tunnel_destroy(&t);
}

/* R8: after a reset, a handshake begins with a peer that had a session, without traffic. */
static void reset_recovers_by_itself(struct kunit *test)
{
	struct tunnel t;
	s64 last;

	tunnel_create(test, &t);
	fwg_generation_advance(&generation_root);
	fwg_device_reset(FORKGUARD_RESET_CAUSE_FORCED, true);
	KUNIT_EXPECT_FALSE_MSG(test, timer_pending(&t.peer->timers.recover), "without a session");

	/* Even if a handshake was sent just before. */
	fwg_send_queue_initiation(t.peer, false);
	tunnel_connect(test, &t);
	last = atomic64_read(&t.peer->timers.last_handshake_sent);
	fork_and_reset();
	KUNIT_EXPECT_TRUE(test, timer_pending(&t.peer->timers.recover));
	msleep(RECOVERY_INTERVAL + MSEC_PER_SEC / 3 + 200);
	flush_work(&t.peer->initiation_work);
	KUNIT_EXPECT_GT(test, atomic64_read(&t.peer->timers.last_handshake_sent), last);
	KUNIT_EXPECT_TRUE(test, timer_pending(&t.peer->timers.retransmit_handshake));
	tunnel_destroy(&t);
}

/* R8: a peer that did not answer is tried at long intervals; a reset tries it again soon. */
static void reset_hurries_who_gave_up(struct kunit *test)
{
	unsigned long slowly = jiffies + REKEY_AFTER_TIME * HZ;
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	fork_and_reset();
	fwg_noise_peer_clear(t.peer->noise);
	mod_timer(&t.peer->timers.recover, slowly);
	fork_and_reset();
	KUNIT_EXPECT_TRUE(test, timer_pending(&t.peer->timers.recover));
	KUNIT_EXPECT_TRUE(test, time_before(t.peer->timers.recover.expires, jiffies + HZ));

	/* The user can end it. */
	fwg_timers_stop(&t.peer->timers);
	KUNIT_EXPECT_FALSE(test, t.peer->timers.recovering);
	tunnel_destroy(&t);
}

/* R8: a handshake that a reset has wiped does not end the recovery after the reset. */
static void wiped_handshake_is_not_complete(struct kunit *test)
{
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	fork_and_reset();
	fwg_timers_initiated(&t.peer->timers);
	fwg_timers_handshake_complete(&t.peer->timers);
	KUNIT_EXPECT_TRUE(test, timer_pending(&t.peer->timers.retransmit_handshake));
	KUNIT_EXPECT_TRUE(test, t.peer->timers.recovering);

	tunnel_connect(test, &t);
	fwg_timers_handshake_complete(&t.peer->timers);
	KUNIT_EXPECT_FALSE(test, timer_pending(&t.peer->timers.retransmit_handshake));
	KUNIT_EXPECT_FALSE(test, t.peer->timers.recovering);
	tunnel_destroy(&t);
}

/* R6: a reset does not wait for configuration: it needs neither rtnl nor device lock. */
static void reset_needs_no_lock(struct kunit *test)
{
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	rtnl_lock();
	mutex_lock(&t.device->lock);
	fwg_reset_force_device(t.device);
	rcu_read_lock();
	KUNIT_EXPECT_NULL(test, fwg_noise_session_current(t.peer->noise));
	rcu_read_unlock();
	mutex_unlock(&t.device->lock);
	rtnl_unlock();
	tunnel_destroy(&t);
}

/* R7: a reset is counted once, with its cause, for the devices that it concerns. */
static void reset_is_recorded(struct kunit *test)
{
	struct tunnel t, other;

	tunnel_create(test, &t);
	tunnel_create(test, &other);
	fwg_reset_force_peer(t.peer);
	KUNIT_EXPECT_EQ(test, t.device->last_reset.count, 1ULL);
	KUNIT_EXPECT_EQ(test, t.device->last_reset.cause, FORKGUARD_RESET_CAUSE_FORCED);
	KUNIT_EXPECT_EQ(test, other.device->last_reset.count, 0ULL);
	fwg_reset_force_device(t.device);
	KUNIT_EXPECT_EQ(test, t.device->last_reset.count, 2ULL);
	KUNIT_EXPECT_EQ(test, other.device->last_reset.count, 0ULL);
	fwg_generation_advance(&generation_root);
	fwg_device_reset(FORKGUARD_RESET_CAUSE_NOTIFIER, true);
	KUNIT_EXPECT_EQ(test, t.device->last_reset.count, 3ULL);
	KUNIT_EXPECT_EQ(test, other.device->last_reset.count, 1ULL);
	KUNIT_EXPECT_EQ(test, other.device->last_reset.cause, FORKGUARD_RESET_CAUSE_NOTIFIER);
	/* Once for each generation, whatever the number of requests. */
	fwg_device_reset(FORKGUARD_RESET_CAUSE_PACKET, true);
	KUNIT_EXPECT_EQ(test, t.device->last_reset.count, 3ULL);
	tunnel_destroy(&other);
	tunnel_destroy(&t);
}

/*
 * Padding is zero, and ends at the MTU. Stock WireGuard divided by an MTU of zero,
 * and, until 7.1, padded with uninitialized memory if a packet had no room for headers.
 */
static void padding_gives_nothing_away(struct kunit *test)
{
	static const struct {
		unsigned int len, mtu, padded;
	} cases[] = {
		{ 61, 1420, 64 }, { 61, 0, 64 },  { 61, 61, 61 }, { 61, 62, 62 },
		{ 61, 60, 76 },	  { 64, 64, 64 }, { 0, 0, 0 },	  { 0, 1420, 0 },
		{ 1, 1420, 16 },  { 1, 1, 1 },	  { 3, 1, 3 },	  { 1419, 1420, 1420 },
	};
	unsigned int room, i;
	struct sk_buff *skb;
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_listen(test, &t);
	tunnel_connect(test, &t);
	for (i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		unsigned int len = cases[i / 2].len, padded = cases[i / 2].padded;

		room = i % 2 ? 0 : 160;
		skb = alloc_skb(room + len + 64, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb_reserve(skb, room);
		/* The memory after the packet has a secret. */
		memset(skb->data, 's', skb_tailroom(skb));
		memset(skb_put(skb, len), 'x', len);
		skb->dev = t.device->dev;
		*SEND_CB(skb) = (struct send_cb){ .mtu = cases[i / 2].mtu };
		skb = tunnel_send(test, &t, skb);
		tunnel_open(test, &t, skb);
		KUNIT_EXPECT_EQ(test, skb->len, padded);
		if (skb->len == padded) {
			KUNIT_EXPECT_NULL(test, memchr_inv(skb->data, 'x', len));
			KUNIT_EXPECT_NULL(test, memchr_inv(skb->data + len, 0, padded - len));
		}
		kfree_skb(skb);
	}
	tunnel_destroy(&t);
}

/*
 * Of the inner packet's metadata, the outer one keeps only the flow, the time at which
 * to send it and that time's clock. Stock WireGuard lost the flow until 5.8.
 */
static void scrubbed_packet_keeps_flow_and_time(struct kunit *test)
{
	struct sk_buff *skb;
	struct tunnel t;

	tunnel_create(test, &t);
	skb = inner_packet(test, &t);
	skb_set_hash(skb, 0xf10, PKT_HASH_TYPE_L4);
	skb_set_delivery_time(skb, 1234, true);
	skb->mark = 1;
	skb->priority = 6;
	skb->encapsulation = 1;
	skb_set_dst_pending_confirm(skb, 1);
	__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), 5);
#ifdef CONFIG_NETWORK_SECMARK
	skb->secmark = 1;
#endif
#ifdef CONFIG_NET_SCHED
	skb->tc_index = 1;
#endif
	fwg_send_scrub(skb);
	KUNIT_EXPECT_EQ(test, skb->hash, 0xf10U);
	KUNIT_EXPECT_TRUE(test, skb->l4_hash);
	KUNIT_EXPECT_EQ(test, skb->tstamp, (ktime_t)1234);
	KUNIT_EXPECT_TRUE(test, skb->mono_delivery_time);
	KUNIT_EXPECT_EQ(test, skb->mark, 0U);
	KUNIT_EXPECT_EQ(test, skb->priority, 0U);
	KUNIT_EXPECT_FALSE(test, skb->encapsulation);
	KUNIT_EXPECT_FALSE(test, skb_get_dst_pending_confirm(skb));
	KUNIT_EXPECT_FALSE(test, skb_vlan_tag_present(skb));
#ifdef CONFIG_NETWORK_SECMARK
	KUNIT_EXPECT_EQ(test, skb->secmark, 0U);
#endif
#ifdef CONFIG_NET_SCHED
	KUNIT_EXPECT_EQ(test, skb->tc_index, 0);
#endif
	kfree_skb(skb);

	/* Sending does so. */
	tunnel_listen(test, &t);
	tunnel_connect(test, &t);
	skb = inner_packet(test, &t);
	skb_set_hash(skb, 0xf10, PKT_HASH_TYPE_L4);
	skb->priority = 6;
	*SEND_CB(skb) = (struct send_cb){ .mtu = 1420 };
	skb = tunnel_send(test, &t, skb);
	KUNIT_EXPECT_EQ(test, skb->priority, 0U);
	KUNIT_EXPECT_EQ(test, skb->hash, 0xf10U);
	kfree_skb(skb);
	tunnel_destroy(&t);
}

/* The first byte of a packet written directly to the interface determines its protocol. */
static void protocol_is_what_the_packet_says(struct kunit *test)
{
	static const struct {
		u8 version;
		u16 protocol;
		unsigned int len;
		int err;
	} cases[] = {
		{ 4, ETH_P_IP, PACKET_LEN, NETDEV_TX_OK },
		{ 4, 0, PACKET_LEN, NETDEV_TX_OK },
		{ 6, 0, PACKET_LEN, -ENOKEY },
		{ 6, ETH_P_IPV6, PACKET_LEN, -ENOKEY },
		{ 5, 0, PACKET_LEN, -EPROTONOSUPPORT },
		{ 4, ETH_P_IPV6, PACKET_LEN, -EPROTONOSUPPORT },
		{ 6, ETH_P_IP, PACKET_LEN, -EPROTONOSUPPORT },
		{ 4, ETH_P_ARP, PACKET_LEN, -EPROTONOSUPPORT },
		{ 4, ETH_P_IP, 19, -EPROTONOSUPPORT },
		{ 4, 0, 19, -EPROTONOSUPPORT },
		{ 6, ETH_P_IPV6, 39, -EPROTONOSUPPORT },
		{ 6, 0, 39, -EPROTONOSUPPORT },
		{ 4, 0, 1, -EPROTONOSUPPORT },
		{ 4, ETH_P_IP, 0, -EPROTONOSUPPORT },
		{ 4, 0, 0, -EPROTONOSUPPORT },
	};
	struct sk_buff *skb;
	struct tunnel t;
	long errors;
	int i;

	tunnel_create(test, &t);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		skb = inner_packet(test, &t);
		ip_hdr(skb)->version = cases[i].version;
		skb_trim(skb, cases[i].len);
		skb->protocol = htons(cases[i].protocol);
		errors = DEV_STATS_READ(t.device->dev, tx_errors);
		KUNIT_EXPECT_EQ_MSG(test, tunnel_xmit(&t, skb), cases[i].err, "case %d", i);
		KUNIT_EXPECT_EQ(test, DEV_STATS_READ(t.device->dev, tx_errors) - errors,
				(long)!!cases[i].err);
	}
	KUNIT_EXPECT_EQ(test, skb_queue_len(&t.peer->staged), 2U);
	tunnel_destroy(&t);
}

/* A packet of lwtunnel has a dst that is no route: stock WireGuard, until 5.18, read beyond it. */
static void metadata_is_no_route(struct kunit *test)
{
	struct metadata_dst *metadata = metadata_dst_alloc(0, METADATA_IP_TUNNEL, GFP_KERNEL);
	struct sk_buff *skb;
	struct tunnel t;

	KUNIT_ASSERT_NOT_NULL(test, metadata);
	tunnel_create(test, &t);
	skb = inner_packet(test, &t);
	skb_dst_set(skb, &metadata->dst);
	KUNIT_EXPECT_EQ(test, tunnel_xmit(&t, skb), (int)NETDEV_TX_OK);
	skb = skb_peek(&t.peer->staged);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_EXPECT_EQ(test, SEND_CB(skb)->mtu, t.device->dev->mtu);
	KUNIT_EXPECT_NULL(test, skb_dst(skb));
	tunnel_destroy(&t);
}

/* Packets that have waited in vain are dropped and counted. */
static void dropped_packets_are_counted(struct kunit *test)
{
	struct net_device *dev;
	struct tunnel t;
	long dropped;

	tunnel_create(test, &t);
	dev = t.device->dev;
	dropped = DEV_STATS_READ(dev, tx_dropped);
	tunnel_stage(test, &t, 3);
	atomic_set(&t.peer->timers.handshake_attempts, MAX_HANDSHAKE_ATTEMPTS + 1);
	mod_timer(&t.peer->timers.retransmit_handshake, jiffies);
	msleep(100);
	KUNIT_EXPECT_EQ(test, DEV_STATS_READ(dev, tx_dropped) - dropped, 3L);
	tunnel_stage(test, &t, 2);
	rtnl_lock();
	dev_close(dev);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(test, DEV_STATS_READ(dev, tx_dropped) - dropped, 5L);
	KUNIT_EXPECT_EQ(test, fwg_drops_read(t.device, FORKGUARD_DROP_A_TX_NO_SESSION), 5ULL);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&t.peer->staged), 0U);
	tunnel_destroy(&t);
}

/* Whitepaper, 6.3: after three times REJECT_AFTER_TIME keys are wiped, also with traffic. */
static void old_sessions_are_wiped(struct kunit *test)
{
	struct timer_list *timer;
	unsigned long left;
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	timer = &t.peer->timers.zero_sessions;
	KUNIT_EXPECT_FALSE(test, timer_pending(timer));
	fwg_timers_session_derived(&t.peer->timers);
	KUNIT_EXPECT_TRUE(test, timer_pending(timer));
	left = timer->expires - jiffies;
	KUNIT_EXPECT_GT(test, left, 539UL * HZ);
	KUNIT_EXPECT_LE(test, left, 540UL * HZ);
	KUNIT_EXPECT_TRUE(test, fwg_noise_peer_has_session(t.peer->noise));
	mod_timer(timer, jiffies);
	msleep(100);
	rcu_read_lock();
	KUNIT_EXPECT_NULL(test, fwg_noise_session_current(t.peer->noise));
	rcu_read_unlock();
	tunnel_destroy(&t);
}

/*
 * A peer is removed while an initiation of it waits to be answered, and one of ours
 * to be sent. Stock WireGuard, until 5.9, removed such a peer from its tables without
 * their locks.
 */
static void removed_peer_begins_nothing(struct kunit *test)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct msghdr msg = { .msg_name = &to, .msg_namelen = sizeof(to) };
	struct kvec vec = { .iov_len = sizeof(struct message_initiation) };
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_listen(test, &t);
	KUNIT_ASSERT_EQ(test, fwg_noise_initiate(t.us, t.initiation), 0);
	t.initiation->type = cpu_to_le32(MESSAGE_INITIATION);
	fwg_noise_add_macs(t.us, t.initiation, sizeof(*t.initiation));
	vec.iov_base = t.initiation;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(t.device->sockets.port);

	KUNIT_EXPECT_TRUE(test, fwg_peer_hold(t.peer));
	mutex_lock(&t.device->lock);
	/* On this kernel, workers do not run before we sleep. */
	KUNIT_EXPECT_EQ(test, kernel_sendmsg(t.socket, &msg, &vec, 1, vec.iov_len),
			(int)vec.iov_len);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&t.device->handshakes), 1U);
	KUNIT_EXPECT_TRUE(test, fwg_send_queue_initiation(t.peer, false));
	KUNIT_EXPECT_TRUE(test, work_pending(&t.peer->initiation_work));
	fwg_peer_remove_all(t.device);
	mutex_unlock(&t.device->lock);
	flush_work(&t.device->handshake_work);
	msleep(50);

	KUNIT_EXPECT_TRUE(test, skb_queue_empty(&t.device->handshakes));
	KUNIT_EXPECT_TRUE(test, skb_queue_empty(&wire));
	fwg_send_queue_initiation(t.peer, false);
	KUNIT_EXPECT_FALSE(test, work_pending(&t.peer->initiation_work));
	KUNIT_EXPECT_EQ(test, kref_read(&t.peer->refs), 1U);
	fwg_peer_put(t.peer);
	tunnel_destroy(&t);
}

/* Messages that anybody can send are counted by reason, and are no errors of the interface. */
static void strangers_are_no_errors(struct kunit *test)
{
	static const struct {
		u32 type;
		size_t len;
		enum forkguard_drop reason;
	} cases[] = {
		{ 0, 60, FORKGUARD_DROP_A_RX_MALFORMED },
		{ MESSAGE_DATA, 3, FORKGUARD_DROP_A_RX_MALFORMED },
		{ MESSAGE_DATA, 31, FORKGUARD_DROP_A_RX_MALFORMED },
		{ MESSAGE_DATA, 32, FORKGUARD_DROP_A_RX_UNKNOWN_SESSION },
		{ MESSAGE_INITIATION, 147, FORKGUARD_DROP_A_RX_MALFORMED },
		{ MESSAGE_INITIATION, 148, FORKGUARD_DROP_A_HS_BAD_MAC },
		{ MESSAGE_RESPONSE, 92, FORKGUARD_DROP_A_HS_BAD_MAC },
		{ MESSAGE_COOKIE, 64, FORKGUARD_DROP_A_HS_REFUSED },
	};
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct msghdr msg = { .msg_name = &to, .msg_namelen = sizeof(to) };
	struct rtnl_link_stats64 stats;
	struct kvec vec;
	struct tunnel t;
	u64 before;
	u8 *bytes;
	int i;

	bytes = kunit_kzalloc(test, 148, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bytes);
	tunnel_create(test, &t);
	tunnel_listen(test, &t);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(t.device->sockets.port);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		before = fwg_drops_read(t.device, cases[i].reason);
		*(__le32 *)bytes = cpu_to_le32(cases[i].type);
		vec = (struct kvec){ bytes, cases[i].len };
		KUNIT_ASSERT_EQ(test, kernel_sendmsg(t.socket, &msg, &vec, 1, vec.iov_len),
				(int)vec.iov_len);
		flush_work(&t.device->handshake_work);
		KUNIT_EXPECT_EQ_MSG(test, fwg_drops_read(t.device, cases[i].reason), before + 1,
				    "case %d", i);
	}
	dev_get_stats(t.device->dev, &stats);
	KUNIT_EXPECT_EQ(test, stats.rx_errors, 0ULL);
	KUNIT_EXPECT_EQ(test, stats.rx_dropped, 0ULL);
	KUNIT_EXPECT_EQ(test, stats.rx_packets, 0ULL);
	tunnel_destroy(&t);
}

/* The other end learns that we have the session, and may now send in it. */
static void tunnel_confirm(struct kunit *test, struct tunnel *t)
{
	struct sk_buff *skb = tunnel_send(test, t, inner_packet(test, t));
	const struct message_data *header = (const void *)skb->data;
	struct noise_session *session;

	local_bh_disable();
	rcu_read_lock();
	session = fwg_noise_session_find(t->remote, header->receiver_index);
	KUNIT_EXPECT_TRUE(test, session && fwg_noise_session_confirm(session));
	rcu_read_unlock();
	local_bh_enable();
	kfree_skb(skb);
}

/* The other end sends us @len bytes of @inner, in an authentic message. */
static void tunnel_deliver(struct kunit *test, struct tunnel *t, const void *inner, size_t len)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(t->device->sockets.port),
	};
	struct msghdr msg = { .msg_name = &to, .msg_namelen = sizeof(to) };
	struct message_data *header;
	struct noise_session *session;
	struct scatterlist sg;
	struct kvec vec;
	int err = -ENOENT;

	header = kunit_kzalloc(test, sizeof(*header) + len + NOISE_TAG_LEN, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, header);
	memcpy(header + 1, inner, len);
	sg_init_one(&sg, header + 1, len + NOISE_TAG_LEN);
	local_bh_disable();
	rcu_read_lock();
	session = fwg_noise_session_current(t->us);
	if (session)
		err = fwg_noise_seal(session, &sg, len, header);
	rcu_read_unlock();
	local_bh_enable();
	KUNIT_ASSERT_EQ(test, err, 0);
	vec = (struct kvec){ header, sizeof(*header) + len + NOISE_TAG_LEN };
	KUNIT_EXPECT_EQ(test, kernel_sendmsg(t->socket, &msg, &vec, 1, vec.iov_len),
			(int)vec.iov_len);
	/* A busy machine leaves it to ksoftirqd, or even drops what its backlog can't hold. */
	while (local_softirq_pending())
		msleep(20);
}

/* An authentic message without a valid packet is an error, of the same kind as in stock. */
static void authentic_mistakes_are_errors(struct kunit *test)
{
	static const struct {
		u8 bytes[40];
		size_t len;
		enum forkguard_drop reason;
		bool length;
	} cases[] = {
		{ { 0x50 }, 40, FORKGUARD_DROP_A_RX_NOT_IP, false },
		{ { 0x45, [3] = 19 }, 19, FORKGUARD_DROP_A_RX_NOT_IP, false },
		{ { 0x45, [3] = 19 }, 20, FORKGUARD_DROP_A_RX_NOT_IP, true },
		{ { 0x45, [3] = 41 }, 40, FORKGUARD_DROP_A_RX_NOT_IP, true },
		{ { 0x60 }, 39, FORKGUARD_DROP_A_RX_NOT_IP, false },
		{ { 0x60, [5] = 1 }, 40, FORKGUARD_DROP_A_RX_NOT_IP, true },
		{ { 0x45, [3] = 40, [12] = 9 }, 40, FORKGUARD_DROP_A_RX_WRONG_SOURCE, false },
		{ { 0x60 }, 40, FORKGUARD_DROP_A_RX_WRONG_SOURCE, false },
	};
	struct rtnl_link_stats64 before, after;
	struct tunnel t;
	u64 dropped;
	int i;

	tunnel_create(test, &t);
	tunnel_listen(test, &t);
	tunnel_connect(test, &t);
	tunnel_confirm(test, &t);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		dropped = fwg_drops_read(t.device, cases[i].reason);
		dev_get_stats(t.device->dev, &before);
		tunnel_deliver(test, &t, cases[i].bytes, cases[i].len);
		dev_get_stats(t.device->dev, &after);
		KUNIT_EXPECT_EQ_MSG(test, fwg_drops_read(t.device, cases[i].reason), dropped + 1,
				    "case %d", i);
		KUNIT_EXPECT_EQ_MSG(test, after.rx_errors, before.rx_errors + 1, "case %d", i);
		KUNIT_EXPECT_EQ_MSG(test, after.rx_length_errors,
				    before.rx_length_errors + cases[i].length, "case %d", i);
		KUNIT_EXPECT_EQ_MSG(test, after.rx_frame_errors,
				    before.rx_frame_errors + !cases[i].length, "case %d", i);
		KUNIT_EXPECT_EQ(test, after.rx_packets, before.rx_packets);
	}
	tunnel_destroy(&t);
}

/* Packets for which the stack has no room are dropped, and do not count as received. */
static void packets_without_room_are_not_received(struct kunit *test)
{
	static const u8 inner[PACKET_LEN] = { 0x45, [3] = PACKET_LEN, [12] = 10, [15] = 2 };
	const unsigned int surplus = 10;
	struct rtnl_link_stats64 before, after;
	struct tunnel t;
	unsigned int i;
	u64 bytes;

	tunnel_create(test, &t);
	tunnel_listen(test, &t);
	tunnel_connect(test, &t);
	tunnel_confirm(test, &t);
	bytes = atomic64_read(&t.peer->rx_bytes);
	dev_get_stats(t.device->dev, &before);
	rtnl_lock();
	fwg_inbound_close(&t.device->inbound);
	rtnl_unlock();
	migrate_disable(); /* one CPU's queue */
	for (i = 0; i < MAX_INBOUND_PACKETS + surplus; i++)
		tunnel_deliver(test, &t, inner, sizeof(inner));
	migrate_enable();
	dev_get_stats(t.device->dev, &after);
	KUNIT_EXPECT_EQ(test, after.rx_packets, before.rx_packets + MAX_INBOUND_PACKETS);
	KUNIT_EXPECT_EQ(test, after.rx_dropped, before.rx_dropped + surplus);
	KUNIT_EXPECT_EQ(test, after.rx_errors, before.rx_errors);
	KUNIT_EXPECT_EQ(test, fwg_drops_read(t.device, FORKGUARD_DROP_A_RX_QUEUE_FULL),
			(u64)surplus);
	KUNIT_EXPECT_EQ(test, atomic64_read(&t.peer->rx_bytes) - bytes,
			MAX_INBOUND_PACKETS *
				(sizeof(struct message_data) + sizeof(inner) + NOISE_TAG_LEN));

	/* The queue is emptied as soon as it may be, and takes packets again. */
	rtnl_lock();
	fwg_inbound_open(&t.device->inbound);
	rtnl_unlock();
	for (i = 0; i < 100 && after.rx_packets == before.rx_packets + MAX_INBOUND_PACKETS; i++) {
		tunnel_deliver(test, &t, inner, sizeof(inner));
		msleep(20);
		dev_get_stats(t.device->dev, &after);
	}
	KUNIT_EXPECT_GT(test, after.rx_packets, before.rx_packets + MAX_INBOUND_PACKETS);
	tunnel_destroy(&t);
}

/* A packet that can't be sent is counted by reason. */
static void packets_without_way_are_counted(struct kunit *test)
{
	struct endpoint nowhere = {
		.addr4.sin_family = AF_INET,
		.addr4.sin_addr.s_addr = htonl(0xcb007101), /* 203.0.113.1 */
		.addr4.sin_port = htons(9),
	};
	struct sk_buff *skb;
	struct tunnel t;

	tunnel_create(test, &t);
	tunnel_connect(test, &t);
	fwg_path_set(&t.peer->path, &nowhere);
	skb = inner_packet(test, &t);
	KUNIT_EXPECT_EQ(test, tunnel_xmit(&t, skb), (int)NETDEV_TX_OK);
	KUNIT_EXPECT_EQ(test, fwg_drops_read(t.device, FORKGUARD_DROP_A_TX_NO_ROUTE), 1ULL);
	fwg_send_keepalive(t.peer);
	KUNIT_EXPECT_EQ(test, fwg_drops_read(t.device, FORKGUARD_DROP_A_TX_NO_ROUTE), 2ULL);
	KUNIT_EXPECT_EQ(test, DEV_STATS_READ(t.device->dev, tx_errors), 0L);
	tunnel_destroy(&t);
}

static int device_test_init(struct kunit *test)
{
	skb_queue_head_init(&wire);
	saved_id = generation_id;
	generation_id = device_test_id;
	fork_tunnel();
	test_settle_resets();
	saved_reset = test_swap_reset(fwg_device_reset);
	return 0;
}

/*
 * The namespace of the sockets may go away while an interface in another namespace,
 * which is down, is being removed: fwg_net_pre_exit() may miss that interface.
 */
static void interface_that_is_down_holds_no_route(struct kunit *test)
{
	struct rtable *rt;
	struct tunnel t;
	__be32 source;
	int refs;

	tunnel_create(test, &t);
	tunnel_listen(test, &t);
	tunnel_connect(test, &t);
	kfree_skb(tunnel_send(test, &t, inner_packet(test, &t)));
	local_bh_disable();
	rt = dst_cache_get_ip4(&t.peer->path.route, &source);
	local_bh_enable();
	KUNIT_ASSERT_NOT_NULL(test, rt);
	refs = atomic_read(&rt->dst.__refcnt);
	rtnl_lock();
	dev_close(t.device->dev);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(test, atomic_read(&rt->dst.__refcnt), refs - 1);
	ip_rt_put(rt);
	KUNIT_EXPECT_EQ(test, t.peer->path.endpoint.addr.sa_family, (sa_family_t)AF_INET);
	tunnel_destroy(&t);
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
	KUNIT_CASE(padding_gives_nothing_away),
	KUNIT_CASE(scrubbed_packet_keeps_flow_and_time),
	KUNIT_CASE(protocol_is_what_the_packet_says),
	KUNIT_CASE(metadata_is_no_route),
	KUNIT_CASE(dropped_packets_are_counted),
	KUNIT_CASE(old_sessions_are_wiped),
	KUNIT_CASE(removed_peer_begins_nothing),
	KUNIT_CASE(interface_that_is_down_holds_no_route),
	KUNIT_CASE(strangers_are_no_errors),
	KUNIT_CASE(authentic_mistakes_are_errors),
	KUNIT_CASE(packets_without_room_are_not_received),
	KUNIT_CASE(packets_without_way_are_counted),
	{},
};

static struct kunit_suite device_suite = {
	.name = "device",
	.init = device_test_init,
	.exit = device_test_exit,
	.test_cases = device_cases,
};

kunit_test_suite(device_suite);
