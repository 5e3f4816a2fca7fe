/* SPDX-License-Identifier: GPL-2.0 */
/* tunnel: a device and its peers, for all layers above timers and sockets. */
#ifndef _FORKGUARD_TUNNEL_H
#define _FORKGUARD_TUNNEL_H

#include "allowedips.h"
#include "generation.h"
#include "inbound.h"
#include "noise.h"
#include "path.h"
#include "socket.h"
#include "timers.h"

#include <linux/klist.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/time64.h>
#include <linux/workqueue.h>
#include <net/inetpeer.h>
#include <uapi/linux/forkguard.h>

enum device_limit {
	MAX_QUEUED_HANDSHAKES = 4096,
	BUSY_QUEUED_HANDSHAKES = MAX_QUEUED_HANDSHAKES / 8,
	MAX_STAGED_PACKETS = 128,
	MAX_PEERS_PER_DEVICE = 1U << 20,
};

/**
 * struct fwg_reset_record - the last reset of a device
 * @count: resets so far
 * @cause: cause of the last one
 * @time: time of the last one, CLOCK_REALTIME
 */
struct fwg_reset_record {
	u64 count;
	enum forkguard_reset_cause cause;
	struct timespec64 time;
};

/**
 * struct fwg_peer_ops - what peers do on their own
 * @timers: callbacks of their timers
 * @initiate: begins a handshake; a work function, which has a reference on the peer
 */
struct fwg_peer_ops {
	struct fwg_timers_ops timers;
	void (*initiate)(struct work_struct *work);
};

/**
 * struct fwg_device - private part of a network interface
 * @dev: the interface
 * @node: in the list of all devices
 * @noise: identity, peers and sessions
 * @allowedips: which addresses belong to which peer; writers hold @lock
 * @peers: list of all peers; RCU, writers hold @lock
 * @num_peers: length of @peers
 * @peer_ops: what they do on their own
 * @lock: guards the configuration. Taken inside the rtnl; never by a reset
 * @config_seq: changes with the configuration, so that dumps notice
 * @sockets: the UDP sockets
 * @handshakes: received handshake messages, bounded
 * @handshake_work: answers them
 * @last_overload: when too many waited: boot time, ns, 0 for never; used by
 *	@handshake_work alone
 * @answered: token buckets of the sources that were answered under load
 * @answer_wq: runs @handshake_work
 * @initiation_wq: begins handshakes, one at a time on each CPU: thousands of them
 *	must not starve @handshake_work
 * @inbound: opened packets on their way to the stack
 * @drops: what was dropped, and why
 * @reset_work: wipes stale secrets, because of @reset_cause
 * @reset_cause: why the latest reset was queued
 * @reset_mutex: allows one walk over the peers at a time; guards @reset_stamp
 * @reset_stamp: read when the last walk began; that walk wiped everything older
 * @reset_lock: guards @last_reset
 * @last_reset: what `fwg show` prints
 */
struct fwg_device {
	struct net_device *dev;
	struct klist_node node;
	struct noise_local *noise;
	struct allowedips allowedips;
	struct list_head peers;
	unsigned int num_peers;
	const struct fwg_peer_ops *peer_ops;
	struct mutex lock; /* configuration */
	u64 config_seq;

	struct fwg_sockets sockets;

	struct sk_buff_head handshakes;
	struct work_struct handshake_work;
	u64 last_overload;
	struct inet_peer_base answered;
	struct workqueue_struct *answer_wq, *initiation_wq;
	struct fwg_inbound inbound;
	struct fwg_drops __percpu *drops;

	struct work_struct reset_work;
	enum forkguard_reset_cause reset_cause;
	struct mutex reset_mutex; /* reset_stamp */
	struct generation_stamp reset_stamp;
	spinlock_t reset_lock; /* last_reset */
	struct fwg_reset_record last_reset;
};

/**
 * struct fwg_peer - a peer of a device
 * @device: the device; outlives the peer
 * @id: its number in log messages
 * @noise: its identity and its sessions
 * @list: in the peers of the device; RCU
 * @aside: in a list of peers that are not in the device's list yet, or no longer
 * @allowed: its allowed IPs; writers hold the device's lock
 * @refs: references. Lookups take one under RCU
 * @rcu: frees it after a grace period
 * @dead: it has been removed; nothing is begun any more
 * @path: its endpoint, and the route there
 * @staged: plaintext that waits for a session, bounded
 * @initiation_work: begins a handshake
 * @timers: what it does on its own
 * @rx_bytes: authentic bytes received from it
 * @tx_bytes: bytes sent to it
 */
struct fwg_peer {
	struct fwg_device *device;
	u64 id;
	struct noise_peer *noise;
	struct list_head list;
	struct list_head aside;
	struct list_head allowed;
	struct kref refs;
	struct rcu_head rcu;
	bool dead;

	struct fwg_path path;
	struct sk_buff_head staged;
	struct work_struct initiation_work;
	struct fwg_timers timers;
	atomic64_t rx_bytes, tx_bytes;
};

#endif /* _FORKGUARD_TUNNEL_H */
