// SPDX-License-Identifier: GPL-2.0
/*
 * packet_world: the device under test, its peers, and its observed state.
 *
 * The peers are bare noise layers; one more, the stranger, is unknown to the device.
 * Messages that the device sends are observed on fuzz0, a dummy interface; packets that
 * it delivers, by an rx_handler.
 */

#include "packet.h"
#include "generation.h"
#include "reset.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <linux/udp.h>
#include <net/inet_ecn.h>

struct world *world;

/* The allowed IPs. The first one is moved between peers. */
struct prefix world_prefixes[PREFIXES] = {
	{ 1, AF_INET, 25, { 10, 0, 0, 128 } }, { 0, AF_INET, 24, { 10, 0, 0, 0 } },
	{ 1, AF_INET, 24, { 10, 0, 1, 0 } },   { 2, AF_INET, 0, {} },
	{ 0, AF_INET6, 64, { 0xfd } },	       { 1, AF_INET6, 128, { 0xfd, [15] = 1 } },
	{ 1, AF_INET6, 15, { 0xfe } },
};

/* RFC 6040, figure 4, except that nothing is dropped. */
static u8 model_ecn(u8 inner, u8 outer)
{
	if (inner == INET_ECN_NOT_ECT)
		return inner;
	if (outer == INET_ECN_CE)
		return outer;
	return inner == INET_ECN_ECT_0 && outer == INET_ECN_ECT_1 ? outer : inner;
}

/* Apply the congestion mark of the delivered packet to @bytes: in DS field and checksum. */
static void model_mark(u8 *bytes, const u8 *delivered)
{
	const bool v4 = bytes[0] >> 4 == 4;
	u8 *ds = bytes + 1;
	int shift = v4 ? 0 : 4;
	u8 inner = *ds >> shift & INET_ECN_MASK;
	u8 marked = model_ecn(inner, world->expected.ecn);

	if (marked == inner)
		return;
	*ds ^= (inner ^ marked) << shift;
	if (v4)
		memcpy(bytes + 10, delivered + 10, 2);
}

/* The stack gets the plaintext of a message. */
static rx_handler_result_t on_delivered(struct sk_buff **pskb)
{
	struct sk_buff *skb = *pskb;
	static u8 copy[INNER_MAX], expected[INNER_MAX];

	world->delivered++;
	FUZZ_EXPECT(world->expected.len == skb->len);
	if (world->expected.len == skb->len && !skb_copy_bits(skb, 0, copy, skb->len)) {
		memcpy(expected, world->expected.bytes, skb->len);
		model_mark(expected, copy);
		FUZZ_EXPECT(!memcmp(copy, expected, skb->len));
	}
	world->expected.len = 0;
	consume_skb(skb);
	return RX_HANDLER_CONSUMED;
}

/* The device sends a message. */
static int on_sent(struct sk_buff *skb, struct net_device *dev, struct packet_type *type,
		   struct net_device *orig_dev)
{
	const bool v6 = ip_hdr(skb)->version == 6;
	const u8 protocol = v6 ? ipv6_hdr(skb)->nexthdr : ip_hdr(skb)->protocol;
	const size_t at = skb_network_offset(skb) + sizeof(struct udphdr) +
			  (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	__le32 message_type;

	if (protocol == IPPROTO_UDP &&
	    !skb_copy_bits(skb, at, &message_type, sizeof(message_type))) {
		world->sent++;
		if (message_type == cpu_to_le32(MESSAGE_INITIATION))
			world->has_initiation = !skb_copy_bits(skb, at, &world->initiation,
							       sizeof(world->initiation));
	}
	kfree_skb(skb);
	return 0;
}

/**
 * world_look() - get all state that a message may change
 * @view: filled in
 */
void world_look(struct view *view)
{
	int i;

	memset(view, 0, sizeof(*view));
	for (i = 0; i < PEERS; i++) {
		struct fwg_peer *peer = world->ends[i].ours;

		view->peers[i].endpoint = peer->path.endpoint;
		fuzz_noise_state(peer->noise, &view->peers[i].noise);
		view->peers[i].rx_bytes = atomic64_read(&peer->rx_bytes);
		view->peers[i].last_handshake = atomic64_read(&peer->timers.last_handshake);
	}
	view->delivered = world->delivered;
	view->sent = world->sent;
}

/**
 * world_end_era() - note that all sessions with a peer end
 * @peer: the peer, or the stranger for all
 */
void world_end_era(u8 peer)
{
	int i;

	for (i = 0; i < PEERS; i++) {
		if (peer == STRANGER || i == peer)
			world->ends[i].era++;
	}
}

/**
 * world_fork() - give the machine another generation ID
 *
 * Sets @forked until the reset, which the check of a message begins.
 */
void world_fork(void)
{
	world->id[0]++;
	world->forked = true;
	world_end_era(STRANGER);
}

/**
 * world_settle_resets() - wait for the reset that a check has begun
 */
void world_settle_resets(void)
{
	fuzz_settle_resets();
	fwg_reset_wait(world->device);
}

/**
 * world_notice_fork() - do the reset that follows a fork
 */
void world_notice_fork(void)
{
	fwg_generation_notice();
	world_settle_resets();
	world->forked = false;
}

static int add_prefix(const struct prefix *prefix)
{
	struct fwg_peer *peer = world->ends[prefix->peer].ours;
	struct allowedips *ips = &world->device->allowedips;
	LIST_HEAD(aside);
	int err;

	err = fwg_allowedips_reserve(ips, prefix->family, prefix->addr, prefix->cidr, &aside);
	if (!err)
		fwg_allowedips_give(ips, prefix->family, prefix->addr, prefix->cidr, peer,
				    &peer->allowed);
	return err;
}

/**
 * world_move_prefix() - give the moving prefix to a peer
 * @peer: the peer
 */
void world_move_prefix(u8 peer)
{
	if (world_prefixes[0].peer == peer)
		return;
	world_prefixes[0].peer = peer;
	mutex_lock(&world->device->lock);
	FUZZ_EXPECT(!add_prefix(&world_prefixes[0]));
	mutex_unlock(&world->device->lock);
}

/**
 * world_add_peer() - add a peer, with its prefixes, to the device
 * @peer: the peer
 *
 * Return: 0 or a negative error.
 */
int world_add_peer(u8 peer)
{
	struct fwg_peer *ours;
	int i, err;

	ours = fwg_peer_create(world->device, world->ends[peer].public_key, NULL);
	if (!ours)
		return -ENOMEM;
	mutex_lock(&world->device->lock);
	err = fwg_peer_publish(ours);
	if (!err) {
		world->ends[peer].ours = ours;
		for (i = 0; i < PREFIXES && !err; i++) {
			if (world_prefixes[i].peer == peer)
				err = add_prefix(&world_prefixes[i]);
		}
	}
	mutex_unlock(&world->device->lock);
	return err;
}

/**
 * world_remove_peer() - remove a peer from the device
 * @peer: the peer
 */
void world_remove_peer(u8 peer)
{
	LIST_HEAD(removed);
	LIST_HEAD(ips);

	mutex_lock(&world->device->lock);
	fwg_peer_unlink(world->ends[peer].ours, &ips, &removed);
	fwg_allowedips_release(&world->device->allowedips, &ips);
	fwg_peer_finish_removal(&removed);
	mutex_unlock(&world->device->lock);
	world->ends[peer].ours = NULL;
}

/**
 * world_set_identity() - set or remove the device's private key
 * @identity: true to set it
 */
void world_set_identity(bool identity)
{
	static const u8 none[NOISE_PUBLIC_KEY_LEN];
	int i;

	if (identity == world->identity)
		return;
	world->identity = identity;
	fwg_noise_local_set_private_key(world->device->noise, identity ? world->private_key : none);
	for (i = 0; i < PEERS; i++)
		fwg_noise_peer_clear(world->ends[i].ours->noise);
	world_end_era(STRANGER);
}

/**
 * world_set_psk() - set the preshared key of a peer, on both sides
 * @peer: the peer
 * @byte: the byte of which the key consists
 */
void world_set_psk(u8 peer, u8 byte)
{
	u8 psk[NOISE_SYMMETRIC_KEY_LEN];

	memset(psk, byte, sizeof(psk));
	fwg_noise_peer_set_psk(world->ends[peer].ours->noise, psk);
	fwg_noise_peer_set_psk(world->ends[peer].theirs, psk);
}

static void reset_end(u8 i)
{
	struct endpoint endpoint = {
		.addr4.sin_family = AF_INET,
		.addr4.sin_port = htons(9),
		.addr4.sin_addr.s_addr = htonl(0xc0000200 | (100 + i)),
	};
	struct fwg_peer *ours = world->ends[i].ours;

	world->ends[i].counter = 0;
	fwg_noise_peer_clear(world->ends[i].theirs);
	if (!ours)
		return;
	/* Undo earlier runs. */
	fwg_peer_quiesce(ours);
	fuzz_noise_forget(ours->noise);
	fuzz_noise_forget(world->ends[i].theirs);
	world_set_psk(i, 0);
	fwg_path_set(&ours->path, &endpoint);
	ours->timers.keepalive_interval = 0;
	ours->timers.recovering = false;
	atomic64_set(&ours->timers.last_handshake, 0);
	atomic64_set(&ours->timers.last_handshake_sent, 0);
	atomic64_set(&ours->rx_bytes, 0);
	atomic64_set(&ours->tx_bytes, 0);
}

/**
 * world_restart() - restore the state before the first run
 */
void world_restart(void)
{
	int i;

	world_set_identity(true);
	world_move_prefix(1);
	world_notice_fork();
	for (i = 0; i <= PEERS; i++)
		reset_end(i);
	for (i = 0; i < KEPT; i++)
		world->kept[i].len = 0;
	fuzz_noise_restart();
	world->num_kept = 0;
	world->num_sessions = 0;
	world->num_taken = 0;
}

static bool hold(struct fwg_peer *owner)
{
	return true;
}

static void release(struct fwg_peer *owner)
{
}

static const struct noise_owner_ops end_ops = { hold, release };

static int begin_end(u8 i, const u8 device_key[NOISE_PUBLIC_KEY_LEN])
{
	u8 private_key[NOISE_PUBLIC_KEY_LEN];
	struct noise_local *local = fwg_noise_local_create(&end_ops);
	struct noise_peer *theirs;

	if (IS_ERR(local))
		return PTR_ERR(local);
	memset(private_key, 'a' + i, sizeof(private_key));
	fwg_noise_local_set_private_key(local, private_key);
	fwg_noise_local_identity(local, NULL, world->ends[i].public_key);
	theirs = fwg_noise_peer_create(local, (struct fwg_peer *)&world->ends[i], device_key, NULL);
	if (!theirs || fwg_noise_peer_publish(theirs)) {
		fwg_noise_local_destroy(local);
		return -ENOMEM;
	}
	world->ends[i].local = local;
	world->ends[i].theirs = theirs;
	return i == STRANGER ? 0 : world_add_peer(i);
}

/**
 * world_end() - undo world_begin()
 */
void world_end(void)
{
	int i;

	if (world->device) {
		rtnl_lock();
		netdev_rx_handler_unregister(world->device->dev);
		rtnl_unlock();
		world_settle_resets();
		mutex_lock(&world->device->lock);
		fwg_peer_remove_all(world->device);
		mutex_unlock(&world->device->lock);
		dev_put(world->device->dev);
	}
	if (world->link) {
		dev_remove_pack(&world->tap);
		dev_put(world->link);
	}
	for (i = 0; i <= PEERS; i++) {
		if (!world->ends[i].local)
			continue;
		fwg_noise_peer_remove(world->ends[i].theirs);
		fwg_noise_peer_free(world->ends[i].theirs);
		rcu_barrier();
		fwg_noise_local_destroy(world->ends[i].local);
	}
	fuzz_settle_resets();
	if (world->saved_id)
		generation_id = world->saved_id;
	kfree(world);
	world = NULL;
}

static int begin_world(void)
{
	u8 public_key[NOISE_PUBLIC_KEY_LEN];
	struct net_device *dev;
	int i, err;

	world->link = dev_get_by_name(&init_net, "fuzz0");
	if (!world->link)
		return -ENODEV;
	world->tap = (struct packet_type){ .type = htons(ETH_P_ALL),
					   .dev = world->link,
					   .func = on_sent };
	dev_add_pack(&world->tap);
	dev = dev_get_by_name(&init_net, "fwg0");
	if (!dev || !fwg_device_is_forkguard(dev)) {
		dev_put(dev);
		return -ENODEV;
	}
	world->device = netdev_priv(dev);
	world->saved_id = generation_id;
	generation_id = world->id;
	rtnl_lock();
	err = netdev_rx_handler_register(dev, on_delivered, NULL);
	rtnl_unlock();
	if (err)
		return err;

	memset(world->private_key, 'd', sizeof(world->private_key));
	world->identity = true;
	fwg_noise_local_set_private_key(world->device->noise, world->private_key);
	fwg_noise_local_identity(world->device->noise, NULL, public_key);
	fwg_mac_keys(&world->mac_keys, public_key);
	for (i = 0; i <= PEERS && !err; i++)
		err = begin_end(i, public_key);
	return err;
}

/**
 * world_add_mac1() - add MAC1 to a handshake message to the device
 * @msg: the message
 * @len: its length, with MACs
 */
void world_add_mac1(void *msg, size_t len)
{
	struct message_macs *macs = fwg_macs_of(msg, len);

	fwg_mac1_compute(macs->mac1, msg, len, &world->mac_keys);
	memset(macs->mac2, 0, sizeof(macs->mac2));
}

/**
 * world_begin() - create the peers, and add them to the device
 *
 * The interfaces fwg0 and fuzz0 exist and are up.
 *
 * Return: 0 or a negative error.
 */
int world_begin(void)
{
	int err;

	world = kzalloc(sizeof(*world), GFP_KERNEL);
	if (!world)
		return -ENOMEM;
	err = begin_world();
	if (err)
		world_end();
	return err;
}
