// SPDX-License-Identifier: GPL-2.0
/*
 * reset: wipes the stale secrets of a device and its peers, in bounded steps (R6).
 *
 * What is wiped here is stale already: the generation of the machine has changed,
 * or fwg_generation_advance() was called. So safety does not depend on how long a
 * walk over the peers takes. Each device is walked on its own: a device with many
 * peers does not delay the reset of another.
 */

#include "reset.h"
#include "generation.h"
#include "peer.h"

#include <linux/rcupdate.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>

/* How many peers are reset in one RCU read-side critical section. */
#define RESET_STEP 256

static reset_event_fn reset_event __ro_after_init;

/*
 * The walk pauses after each step and continues from the same peer. A peer that has
 * left the list is dead: the peers after it may be gone, and the walk starts again.
 */
static unsigned int fwg_reset_peers(struct fwg_device *device)
{
	unsigned int wiped = 0, live = 0, step;
	struct fwg_peer *peer;
	bool removed;

again:
	step = 0;
	rcu_read_lock();
	list_for_each_entry_rcu(peer, &device->peers, list) {
		wiped += fwg_peer_reset(peer, &live);
		if (++step < RESET_STEP || !fwg_peer_hold(peer))
			continue;
		step = 0;
		rcu_read_unlock();
		cond_resched();
		rcu_read_lock();
		removed = READ_ONCE(peer->dead);
		fwg_peer_put(peer);
		if (removed) {
			rcu_read_unlock();
			goto again;
		}
	}
	rcu_read_unlock();
	return wiped;
}

static void fwg_reset_done(struct fwg_device *device, enum forkguard_reset_cause cause,
			   unsigned int peers, const u8 *only_peer)
{
	spin_lock(&device->reset_lock);
	device->last_reset.count++;
	device->last_reset.cause = cause;
	ktime_get_real_ts64(&device->last_reset.time);
	spin_unlock(&device->reset_lock);
	netdev_dbg(device->dev, "reset, cause %d: secrets of %u peers wiped\n", cause, peers);
	/* RCU keeps the device's namespace, which the device may leave at any time. */
	rcu_read_lock();
	/* KUnit tests run before the module is initialized. */
	if (reset_event)
		reset_event(device, cause, peers, only_peer);
	rcu_read_unlock();
}

/*
 * Resets that wait for a walk to end share the next walk. It reads its stamp after
 * each of them has made the old stamps stale, so it wipes for all of them. The others
 * then find nothing to do (R7).
 */
static void fwg_reset_stale(struct fwg_device *device, enum forkguard_reset_cause cause)
{
	const struct generation_scope *scope = fwg_noise_local_scope(device->noise);
	struct generation_stamp stamp;
	unsigned int wiped;

	mutex_lock(&device->reset_mutex);
	if (!fwg_generation_is_current(scope, &device->reset_stamp)) {
		stamp = fwg_generation_read(scope);
		wiped = fwg_reset_peers(device);
		fwg_noise_local_reset(device->noise);
		/* A stamp read during a change may be half of each generation. */
		if (!fwg_generation_is_current(scope, &stamp))
			fwg_generation_revoke(&stamp);
		device->reset_stamp = stamp;
		fwg_reset_done(device, cause, wiped, NULL);
	}
	mutex_unlock(&device->reset_mutex);
}

static void fwg_reset_device_work_fn(struct work_struct *work)
{
	struct fwg_device *device = container_of(work, struct fwg_device, reset_work);

	fwg_reset_stale(device, READ_ONCE(device->reset_cause));
}

/**
 * fwg_reset_init() - set the function that reports resets
 * @event: called when a reset is done
 *
 * Context: process; there are no devices yet.
 */
void __init fwg_reset_init(reset_event_fn event)
{
	reset_event = event;
}

/**
 * fwg_reset_prepare() - prepare the resets of a new device
 * @device: the device; it has no secrets yet
 *
 * Context: process.
 */
void fwg_reset_prepare(struct fwg_device *device)
{
	INIT_WORK(&device->reset_work, fwg_reset_device_work_fn);
	mutex_init(&device->reset_mutex);
	spin_lock_init(&device->reset_lock);
	device->reset_stamp = fwg_generation_read(fwg_noise_local_scope(device->noise));
}

/**
 * fwg_reset_queue() - start wiping the stale secrets of a device
 * @device: the device
 * @cause: why
 *
 * Context: any.
 */
void fwg_reset_queue(struct fwg_device *device, enum forkguard_reset_cause cause)
{
	WRITE_ONCE(device->reset_cause, cause);
	/* Not on the device's own queues: many handshakes may be waiting there. */
	queue_work(system_unbound_wq, &device->reset_work);
}

/**
 * fwg_reset_wait() - wait for the reset that fwg_reset_queue() started
 * @device: the device
 *
 * Context: process.
 */
void fwg_reset_wait(struct fwg_device *device)
{
	flush_work(&device->reset_work);
}

/**
 * fwg_reset_stop() - cancel the reset that fwg_reset_queue() started
 * @device: the device; no caller of fwg_reset_queue() finds it any more
 *
 * Context: process.
 */
void fwg_reset_stop(struct fwg_device *device)
{
	cancel_work_sync(&device->reset_work);
}

/**
 * fwg_reset_force_device() - reset a device although the machine was not forked
 * @device: the device
 *
 * All its secrets are stale at once, and wiped on return.
 *
 * Context: process. Takes neither the rtnl nor the lock of the device.
 */
void fwg_reset_force_device(struct fwg_device *device)
{
	fwg_generation_advance(fwg_noise_local_scope(device->noise));
	fwg_reset_stale(device, FORKGUARD_RESET_CAUSE_FORCED);
}

/**
 * fwg_reset_force_peer() - reset one peer although the machine was not forked
 * @peer: the peer; the caller has a reference
 *
 * All secrets shared with it are stale at once, and wiped on return.
 *
 * Context: process. Takes neither the rtnl nor the lock of the device.
 */
void fwg_reset_force_peer(struct fwg_peer *peer)
{
	unsigned int live = 0;
	bool wiped;

	fwg_generation_advance(fwg_noise_peer_scope(peer->noise));
	rcu_read_lock();
	wiped = fwg_peer_reset(peer, &live);
	rcu_read_unlock();
	fwg_reset_done(peer->device, FORKGUARD_RESET_CAUSE_FORCED, wiped,
		       fwg_noise_peer_public_key(peer->noise));
}

/**
 * fwg_reset_last() - the last reset of a device
 * @device: the device
 *
 * Context: process.
 */
struct fwg_reset_record fwg_reset_last(struct fwg_device *device)
{
	struct fwg_reset_record last;

	spin_lock(&device->reset_lock);
	last = device->last_reset;
	spin_unlock(&device->reset_lock);
	return last;
}

#ifdef FORKGUARD_KUNIT
#include "reset_test.c"
#endif
