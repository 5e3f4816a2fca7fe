// SPDX-License-Identifier: GPL-2.0
/*
 * peer: lifetime and reset of peers.
 *
 * The device's list holds one reference, and so does each queued work item.
 * Timers hold none: they are stopped for good before the list drops its reference.
 */

#include "peer.h"
#include "drops.h"

#include <linux/slab.h>

static atomic64_t last_id;

static void fwg_free_rcu_fn(struct rcu_head *rcu)
{
	struct fwg_peer *peer = container_of(rcu, struct fwg_peer, rcu);

	fwg_peer_purge(peer);
	fwg_path_destroy(&peer->path);
	kfree(peer);
}

static void fwg_release(struct kref *refs)
{
	struct fwg_peer *peer = container_of(refs, struct fwg_peer, refs);

	fwg_noise_peer_free(peer->noise);
	call_rcu(&peer->rcu, fwg_free_rcu_fn);
}

/**
 * fwg_peer_hold() - take a reference
 * @peer: the peer, found under RCU
 *
 * Return: false if it is going away.
 */
bool fwg_peer_hold(struct fwg_peer *peer)
{
	return kref_get_unless_zero(&peer->refs);
}

/**
 * fwg_peer_put() - give a reference back
 * @peer: the peer, or NULL
 */
void fwg_peer_put(struct fwg_peer *peer)
{
	if (peer)
		kref_put(&peer->refs, fwg_release);
}

const struct noise_owner_ops peer_owner_ops = {
	.hold = fwg_peer_hold,
	.release = fwg_peer_put,
};

/**
 * fwg_peer_create() - make a peer
 * @device: its device
 * @public_key: its identity
 * @psk: the preshared key, or NULL for none
 *
 * Context: process.
 * Return: the peer, or NULL without memory. Lookups do not find it before
 * fwg_peer_publish(); if it is not published, fwg_peer_put() frees it.
 */
struct fwg_peer *fwg_peer_create(struct fwg_device *device,
				 const u8 public_key[NOISE_PUBLIC_KEY_LEN], const u8 *psk)
{
	struct fwg_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL_ACCOUNT);

	if (!peer)
		return NULL;
	peer->device = device;
	peer->id = atomic64_inc_return(&last_id);
	kref_init(&peer->refs);
	INIT_LIST_HEAD(&peer->allowed);
	skb_queue_head_init(&peer->staged);
	INIT_WORK(&peer->initiation_work, device->peer_ops->initiate);
	if (fwg_path_init(&peer->path))
		goto err_free;
	peer->noise = fwg_noise_peer_create(device->noise, peer, public_key, psk);
	if (!peer->noise)
		goto err_path;
	fwg_timers_init(&peer->timers, peer->noise, &device->peer_ops->timers);
	return peer;

err_path:
	fwg_path_destroy(&peer->path);
err_free:
	kfree(peer);
	return NULL;
}

/**
 * fwg_peer_publish() - add a peer to its device
 * @peer: the peer
 *
 * Context: process; the device's lock is held.
 * Return: 0; or a negative error, with the peer unchanged.
 */
int fwg_peer_publish(struct fwg_peer *peer)
{
	struct fwg_device *device = peer->device;
	int err;

	lockdep_assert_held(&device->lock);

	/* Resets find the peer first; handshake messages find it after that, complete. */
	list_add_tail_rcu(&peer->list, &device->peers);
	err = fwg_noise_peer_publish(peer->noise);
	if (err) {
		list_del_rcu(&peer->list);
		return err;
	}
	device->num_peers++;
	fwg_peer_debug(peer, "created\n");
	return 0;
}

/**
 * fwg_peer_unlink() - hide a peer from lookups; readers may use it for a grace period
 * @peer: the peer; the caller's reference, if any, stays
 * @ips: list to which its allowed IPs are moved; they must be released before that
 *	grace period
 * @removed: list to which the peer is added, for fwg_peer_finish_removal()
 *
 * Context: process; the device's lock is held.
 */
void fwg_peer_unlink(struct fwg_peer *peer, struct list_head *ips, struct list_head *removed)
{
	lockdep_assert_held(&peer->device->lock);

	fwg_peer_debug(peer, "removed\n");
	/* A dump in progress may have a pointer to it. */
	peer->device->config_seq++;
	list_del_rcu(&peer->list);
	peer->device->num_peers--;
	list_splice_tail_init(&peer->allowed, ips);
	WRITE_ONCE(peer->dead, true);
	fwg_noise_peer_remove(peer->noise);
	list_add_tail(&peer->aside, removed);
}

/*
 * Stop everything that the peer has begun, and drop its route: no route may outlive
 * the namespace of the sockets, whose exit may miss a device that is being removed.
 */
static void fwg_stop_peer(struct fwg_peer *peer)
{
	fwg_timers_stop(&peer->timers);
	if (cancel_work_sync(&peer->initiation_work))
		fwg_peer_put(peer);
	fwg_path_forget_route(&peer->path);
}

/**
 * fwg_peer_finish_removal() - stop and put peers that have been unlinked
 * @removed: the peers
 *
 * Context: process; the device's lock is held. Waits for a grace period.
 */
void fwg_peer_finish_removal(struct list_head *removed)
{
	struct fwg_peer *peer, *next;

	if (list_empty(removed))
		return;
	synchronize_net();
	list_for_each_entry_safe(peer, next, removed, aside) {
		fwg_stop_peer(peer);
		fwg_peer_put(peer);
	}
}

/**
 * fwg_peer_remove_all() - remove all peers from a device
 * @device: the device
 *
 * Context: process; the device's lock is held. Waits for a grace period.
 */
void fwg_peer_remove_all(struct fwg_device *device)
{
	struct fwg_peer *peer, *next;
	LIST_HEAD(removed);
	LIST_HEAD(ips);

	list_for_each_entry_safe(peer, next, &device->peers, list)
		fwg_peer_unlink(peer, &ips, &removed);
	fwg_allowedips_release(&device->allowedips, &ips);
	fwg_peer_finish_removal(&removed);
}

/**
 * fwg_peer_count_received() - count an authentic message of a peer
 * @peer: the peer
 * @len: its length
 *
 * Context: BHs disabled.
 */
void fwg_peer_count_received(struct fwg_peer *peer, size_t len)
{
	dev_sw_netstats_rx_add(peer->device->dev, len);
	atomic64_add(len, &peer->rx_bytes);
}

/**
 * fwg_peer_purge() - drop the packets that wait for a session
 * @peer: the peer that they are for
 *
 * Context: any but hard interrupts.
 */
void fwg_peer_purge(struct fwg_peer *peer)
{
	struct sk_buff_head packets;

	__skb_queue_head_init(&packets);
	spin_lock_bh(&peer->staged.lock);
	skb_queue_splice_init(&peer->staged, &packets);
	spin_unlock_bh(&peer->staged.lock);
	DEV_STATS_ADD(peer->device->dev, tx_dropped, skb_queue_len(&packets));
	fwg_drops_add(peer->device, FORKGUARD_DROP_A_TX_NO_SESSION, skb_queue_len(&packets));
	__skb_queue_purge(&packets);
}

/**
 * fwg_peer_quiesce() - stop and forget everything that a peer has begun
 * @peer: the peer
 *
 * Context: process; the interface is down.
 */
void fwg_peer_quiesce(struct fwg_peer *peer)
{
	fwg_stop_peer(peer);
	fwg_noise_peer_clear(peer->noise);
	fwg_peer_purge(peer);
	WRITE_ONCE(peer->timers.hurry, true);
}

/**
 * fwg_peer_reset() - wipe stale secrets, and replace sessions in use (R6, R8)
 * @peer: the peer
 * @live: how many peers this reset has had to recover so far
 *
 * Packets that wait for a session go on waiting (R4).
 *
 * Context: RCU read-side critical section.
 * Return: true if something was wiped.
 */
bool fwg_peer_reset(struct fwg_peer *peer, unsigned int *live)
{
	enum noise_wiped wiped = fwg_noise_peer_reset(peer->noise);

	if (wiped == NOISE_WIPED_BEGUN)
		fwg_timers_recovering(&peer->timers);
	/* A clone may reach a peer that its origin could not. */
	if (wiped == NOISE_WIPED_LIVE || fwg_timers_waiting(&peer->timers)) {
		/* A clone may not have the source address of its origin. */
		fwg_path_clear_source(&peer->path);
		fwg_timers_recover(&peer->timers, (*live)++);
	}
	return wiped != NOISE_WIPED_NOTHING;
}
