/* SPDX-License-Identifier: GPL-2.0 */
/* device: the tunnel as a network interface. */
#ifndef _FORKGUARD_DEVICE_H
#define _FORKGUARD_DEVICE_H

#include "allowedips.h"
#include "noise.h"

#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/time64.h>
#include <linux/workqueue.h>
#include <net/gro_cells.h>
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
 * @cause: of the last one
 * @time: of the last one, CLOCK_REALTIME
 */
struct fwg_reset_record {
	u64 count;
	enum forkguard_reset_cause cause;
	struct timespec64 time;
};

/**
 * struct fwg_device - private part of a network interface
 * @dev: the interface
 * @list: in the list of all devices; RCU
 * @noise: identity, peers and sessions
 * @allowedips: who is sent which addresses; writers hold @lock
 * @peers: list of all peers; RCU, writers hold @lock
 * @num_peers: how many
 * @lock: configuration. Taken inside of the rtnl; never by a reset
 * @config_seq: changes with the configuration, so that dumps notice
 * @birth_net: where the UDP sockets live; RCU, NULL when it is going away
 * @socket_lock: taken to replace the sockets
 * @sock4: UDP over IPv4; RCU
 * @sock6: UDP over IPv6; RCU
 * @port: of the sockets, host byte order
 * @fwmark: of what is sent
 * @handshakes: received handshake messages, bounded
 * @handshake_work: answers them
 * @last_overload: when too many waited: boot time, ns, 0 for never; of
 *	@handshake_work alone
 * @answered: how often whom, under load, lately
 * @wq: for all work of the device
 * @gro: hands decrypted packets to the stack
 * @reset_lock: guards @last_reset
 * @last_reset: what `fwg show` tells
 */
struct fwg_device {
	struct net_device *dev;
	struct list_head list;
	struct noise_local *noise;
	struct allowedips allowedips;
	struct list_head peers;
	unsigned int num_peers;
	struct mutex lock; /* configuration */
	u64 config_seq;

	struct net __rcu *birth_net;
	struct mutex socket_lock; /* replacing the sockets */
	struct sock __rcu *sock4, *sock6;
	u16 port;
	u32 fwmark;

	struct sk_buff_head handshakes;
	struct work_struct handshake_work;
	u64 last_overload;
	struct inet_peer_base answered;
	struct workqueue_struct *wq;
	struct gro_cells gro;

	spinlock_t reset_lock; /* last_reset */
	struct fwg_reset_record last_reset;
};

bool fwg_device_is_forkguard(const struct net_device *dev);
void fwg_device_reset(const struct generation_scope *scope, enum forkguard_reset_cause cause);
int fwg_device_init(bool replace_wireguard);
void fwg_device_exit(bool replace_wireguard);

#endif /* _FORKGUARD_DEVICE_H */
