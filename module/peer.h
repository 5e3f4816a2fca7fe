/* SPDX-License-Identifier: GPL-2.0 */
/* peer: who may speak through a device, and the state of the talk. */
#ifndef _FORKGUARD_PEER_H
#define _FORKGUARD_PEER_H

#include "device.h"
#include "socket.h"

#include <linux/kref.h>
#include <linux/timer.h>
#include <net/dst_cache.h>

/**
 * struct fwg_peer - a peer of a device
 * @device: the device; outlives the peer
 * @noise: its identity and its sessions
 * @list: in the peers of the device; RCU
 * @removed: in a list of peers that are being removed
 * @allowed: its allowed IPs; writers hold the device's lock
 * @refs: references. Lookups take one under RCU
 * @rcu: to be freed
 * @dead: has been removed; nothing is begun any more
 * @endpoint: where it is; guarded by @endpoint_lock
 * @endpoint_lock: guards @endpoint
 * @route: to @endpoint
 * @staged: plaintext that waits for a session, bounded
 * @initiation_work: begins a handshake
 * @last_handshake_sent: initiation or response: boot time, ns
 * @hurry: the next initiation need not wait for the usual time
 * @recovering: a reset wiped a session in use, and there is none yet
 * @handshake_attempts: initiations in a row without an answer
 * @timers: see timers.c
 * @keepalive_interval: persistent keepalive, seconds, 0 for none
 * @last_handshake: when a session was last confirmed, CLOCK_REALTIME;
 *	guarded by @endpoint_lock
 * @rx_bytes: received from it, authentic
 * @tx_bytes: sent to it
 */
struct fwg_peer {
	struct fwg_device *device;
	struct noise_peer *noise;
	struct list_head list;
	struct list_head removed;
	struct list_head allowed;
	struct kref refs;
	struct rcu_head rcu;
	bool dead;

	struct endpoint endpoint;
	rwlock_t endpoint_lock;
	struct dst_cache route;

	struct sk_buff_head staged;
	struct work_struct initiation_work;
	atomic64_t last_handshake_sent;
	bool hurry;
	bool recovering;
	atomic_t handshake_attempts;
	struct {
		struct timer_list retransmit_handshake;
		struct timer_list send_keepalive;
		struct timer_list new_handshake;
		struct timer_list zero_sessions;
		struct timer_list persistent_keepalive;
		struct timer_list recover;
	} timers;
	u16 keepalive_interval;
	struct timespec64 last_handshake;
	atomic64_t rx_bytes, tx_bytes;
};

extern const struct noise_owner_ops peer_owner_ops;

struct fwg_peer *fwg_peer_create(struct fwg_device *device,
				 const u8 public_key[NOISE_PUBLIC_KEY_LEN], const u8 *psk);
bool __must_check fwg_peer_hold(struct fwg_peer *peer);
void fwg_peer_put(struct fwg_peer *peer);
void fwg_peer_remove(struct fwg_peer *peer);
void fwg_peer_remove_all(struct fwg_device *device);
void fwg_peer_quiesce(struct fwg_peer *peer);
bool fwg_peer_reset(struct fwg_peer *peer);
bool fwg_peer_has_session(struct fwg_peer *peer);

#endif /* _FORKGUARD_PEER_H */
