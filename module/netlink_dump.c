// SPDX-License-Identifier: GPL-2.0
/*
 * netlink_dump: the configuration and state of a device, in as many messages as needed.
 *
 * Attributes, their order and their distribution over messages are WireGuard's, to the
 * byte: there are programs that distinguish an empty nest from a missing one.
 */

#include "compat.h"
#include "drops.h"
#include "netlink_parts.h"
#include "peer.h"
#include "reset.h"

#include <net/sock.h>

static int fwg_put_timespec(struct sk_buff *skb, int type, const struct timespec64 *time)
{
	const struct __kernel_timespec ts = { .tv_sec = time->tv_sec, .tv_nsec = time->tv_nsec };

	return nla_put(skb, type, sizeof(ts), &ts);
}

/**
 * struct dump_cursor - where a dump continues in the next message
 * @device: held from start to end
 * @seq: the config_seq of the device for which @peer and @allowedip are valid
 * @peer: the next entry in the list of peers, or the list's head
 * @allowedip: the next entry in the list of that peer's allowed IPs, if the previous
 *	message has some of them
 * @peers: how many peers have been dumped
 * @allowedips: how many allowed IPs of the next peer have been dumped
 *
 * The counts stay valid if the configuration changes between two messages. The
 * pointers, which save counting, do not. @seq has 64 bits and does not wrap.
 */
struct dump_cursor {
	struct fwg_device *device;
	u64 seq;
	struct list_head *peer, *allowedip;
	unsigned int peers, allowedips;
};

static struct dump_cursor *fwg_cursor_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct dump_cursor) > sizeof(cb->ctx));
	return (struct dump_cursor *)cb->ctx;
}

/* The entry of a list that comes after @n others, or the list's head. */
static struct list_head *fwg_list_at(struct list_head *head, unsigned int n)
{
	struct list_head *at = head->next;

	while (n-- && at != head)
		at = at->next;
	return at;
}

/* Make the pointers valid for the current configuration. */
static void fwg_cursor_find(struct dump_cursor *cursor)
{
	struct fwg_device *device = cursor->device;

	if (cursor->seq == device->config_seq)
		return;
	cursor->seq = device->config_seq;
	cursor->peer = fwg_list_at(&device->peers, cursor->peers);
	if (cursor->peer != &device->peers)
		cursor->allowedip =
			fwg_list_at(&list_entry(cursor->peer, struct fwg_peer, list)->allowed,
				    cursor->allowedips);
}

static int fwg_put_allowedip(struct sk_buff *skb, const struct allowedip *ip)
{
	struct nlattr *nest = nla_nest_start(skb, 0);
	bool v4 = ip->key.family == AF_INET;

	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u8(skb, FORKGUARD_ALLOWEDIP_A_CIDR_MASK, ip->key.cidr) ||
	    nla_put_u16(skb, FORKGUARD_ALLOWEDIP_A_FAMILY, ip->key.family) ||
	    nla_put(skb, FORKGUARD_ALLOWEDIP_A_IPADDR,
		    v4 ? sizeof(struct in_addr) : sizeof(struct in6_addr), ip->key.addr)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static int fwg_put_endpoint(struct sk_buff *skb, const struct endpoint *endpoint)
{
	if (endpoint->addr.sa_family == AF_INET)
		return nla_put(skb, FORKGUARD_PEER_A_ENDPOINT, sizeof(endpoint->addr4),
			       &endpoint->addr4);
	if (endpoint->addr.sa_family == AF_INET6)
		return nla_put(skb, FORKGUARD_PEER_A_ENDPOINT, sizeof(endpoint->addr6),
			       &endpoint->addr6);
	return 0;
}

static int fwg_put_peer_state(struct sk_buff *skb, struct fwg_peer *peer)
{
	u8 psk[NOISE_SYMMETRIC_KEY_LEN];
	struct timespec64 last_handshake;
	struct endpoint endpoint;
	int err;

	read_lock_bh(&peer->path.lock);
	endpoint = peer->path.endpoint;
	read_unlock_bh(&peer->path.lock);
	last_handshake = ns_to_timespec64(atomic64_read(&peer->timers.last_handshake));

	fwg_noise_peer_psk(peer->noise, psk);
	err = nla_put(skb, FORKGUARD_PEER_A_PRESHARED_KEY, sizeof(psk), psk);
	memzero_explicit(psk, sizeof(psk));
	if (err || fwg_put_timespec(skb, FORKGUARD_PEER_A_LAST_HANDSHAKE_TIME, &last_handshake) ||
	    nla_put_u16(skb, FORKGUARD_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
			peer->timers.keepalive_interval) ||
	    nla_put_u64_64bit(skb, FORKGUARD_PEER_A_TX_BYTES, atomic64_read(&peer->tx_bytes),
			      FORKGUARD_PEER_A_UNSPEC) ||
	    nla_put_u64_64bit(skb, FORKGUARD_PEER_A_RX_BYTES, atomic64_read(&peer->rx_bytes),
			      FORKGUARD_PEER_A_UNSPEC) ||
	    nla_put_u32(skb, FORKGUARD_PEER_A_PROTOCOL_VERSION, 1) ||
	    fwg_put_endpoint(skb, &endpoint))
		return -EMSGSIZE;
	return 0;
}

/* Put the allowed IPs from cursor->allowedip on. Returns -EMSGSIZE when some are left. */
static int fwg_put_allowedips(struct sk_buff *skb, struct fwg_peer *peer,
			      struct dump_cursor *cursor)
{
	struct nlattr *nest = nla_nest_start(skb, FORKGUARD_PEER_A_ALLOWEDIPS);
	struct list_head *first = cursor->allowedip;

	if (!nest)
		return -EMSGSIZE;
	for (; cursor->allowedip != &peer->allowed; cursor->allowedip = cursor->allowedip->next) {
		if (fwg_put_allowedip(skb,
				      list_entry(cursor->allowedip, struct allowedip, in_peer)))
			break;
		cursor->allowedips++;
	}
	if (cursor->allowedip == first)
		nla_nest_cancel(skb, nest);
	else
		nla_nest_end(skb, nest);
	return cursor->allowedip == &peer->allowed ? 0 : -EMSGSIZE;
}

/*
 * Put a peer, or the rest of its allowed IPs. Returns -EMSGSIZE if the next message
 * has to continue the peer, from where the cursor says.
 */
static int fwg_put_peer(struct sk_buff *skb, struct fwg_peer *peer, struct dump_cursor *cursor)
{
	unsigned int before = cursor->allowedips;
	struct nlattr *nest = nla_nest_start(skb, 0);
	int err = 0;

	if (!nest)
		return -EMSGSIZE;
	if (nla_put(skb, FORKGUARD_PEER_A_PUBLIC_KEY, NOISE_PUBLIC_KEY_LEN,
		    fwg_noise_peer_public_key(peer->noise)) ||
	    (!before && fwg_put_peer_state(skb, peer)))
		goto cancel;
	if (!before)
		cursor->allowedip = peer->allowed.next;
	if (cursor->allowedip != &peer->allowed)
		err = fwg_put_allowedips(skb, peer, cursor);
	/* If not even one allowed IP fits, leave the peer to the next message. */
	if (err && cursor->allowedips == before)
		goto cancel;
	nla_nest_end(skb, nest);
	if (!err)
		cursor->allowedips = 0;
	return err;
cancel:
	nla_nest_cancel(skb, nest);
	return -EMSGSIZE;
}

static int fwg_put_identity(struct sk_buff *skb, struct fwg_device *device)
{
	u8 private_key[NOISE_PUBLIC_KEY_LEN], public_key[NOISE_PUBLIC_KEY_LEN];
	int err = 0;

	if (fwg_noise_local_identity(device->noise, private_key, public_key)) {
		err = nla_put(skb, FORKGUARD_DEVICE_A_PRIVATE_KEY, NOISE_PUBLIC_KEY_LEN,
			      private_key);
		if (!err)
			err = nla_put(skb, FORKGUARD_DEVICE_A_PUBLIC_KEY, NOISE_PUBLIC_KEY_LEN,
				      public_key);
	}
	memzero_explicit(private_key, sizeof(private_key));
	return err;
}

static int fwg_put_drops(struct sk_buff *skb, const struct fwg_device *device)
{
	struct nlattr *nest = nla_nest_start(skb, FORKGUARD_DEVICE_A_DROPS);
	enum forkguard_drop reason;

	if (!nest)
		return -EMSGSIZE;
	for (reason = 1; reason <= FORKGUARD_DROP_A_MAX; reason++)
		if (nla_put_u64_64bit(skb, reason, fwg_drops_read(device, reason),
				      FORKGUARD_DROP_A_UNSPEC))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* The attributes that WireGuard does not have. */
static int fwg_put_own_state(struct sk_buff *skb, struct fwg_device *device)
{
	struct fwg_reset_record last = fwg_reset_last(device);

	if (fwg_netlink_put_generation(skb, dev_net(device->dev)) || fwg_put_drops(skb, device) ||
	    nla_put_u64_64bit(skb, FORKGUARD_DEVICE_A_RESETS, last.count, FORKGUARD_DEVICE_A_PAD) ||
	    nla_put_u32(skb, FORKGUARD_DEVICE_A_RESET_CAUSE, last.cause) ||
	    fwg_put_timespec(skb, FORKGUARD_DEVICE_A_RESET_TIME, &last.time))
		return -EMSGSIZE;
	return 0;
}

static int fwg_put_device_state(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct fwg_device *device = fwg_cursor_of(cb)->device;

	if (nla_put_u16(skb, FORKGUARD_DEVICE_A_LISTEN_PORT, device->sockets.port) ||
	    nla_put_u32(skb, FORKGUARD_DEVICE_A_FWMARK, device->sockets.fwmark) ||
	    nla_put_u32(skb, FORKGUARD_DEVICE_A_IFINDEX, device->dev->ifindex) ||
	    nla_put_string(skb, FORKGUARD_DEVICE_A_IFNAME, device->dev->name) ||
	    fwg_put_identity(skb, device))
		return -EMSGSIZE;
	return fwg_netlink_for_wireguard(cb) ? 0 : fwg_put_own_state(skb, device);
}

static int fwg_put_peers(struct sk_buff *skb, struct dump_cursor *cursor)
{
	struct list_head *head = &cursor->device->peers;
	struct nlattr *nest;

	if (cursor->peer == head)
		return 0;
	nest = nla_nest_start(skb, FORKGUARD_DEVICE_A_PEERS);
	if (!nest)
		return -EMSGSIZE;
	for (; cursor->peer != head; cursor->peer = cursor->peer->next) {
		if (fwg_put_peer(skb, list_entry(cursor->peer, struct fwg_peer, list), cursor))
			break;
		cursor->peers++;
	}
	nla_nest_end(skb, nest);
	return 0;
}

/**
 * fwg_netlink_dump_start() - begin a dump
 * @cb: the dump
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int fwg_netlink_dump_start(struct netlink_callback *cb)
{
	struct fwg_device *device;

	device = fwg_netlink_find_device(sock_net(cb->skb->sk), compat_dump_attrs(cb), cb->extack);
	if (IS_ERR(device))
		return PTR_ERR(device);
	*fwg_cursor_of(cb) = (struct dump_cursor){ .device = device };
	return 0;
}

/**
 * fwg_netlink_dump() - make the next message of a dump
 * @skb: the message
 * @cb: the dump
 *
 * As with WireGuard, each message repeats the device until one of its peers is
 * complete.
 *
 * Context: process.
 * Return: a positive number if there is more, 0 if there is not, or a negative
 * error.
 */
int fwg_netlink_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump_cursor *cursor = fwg_cursor_of(cb);
	struct fwg_device *device = cursor->device;
	int err = -EMSGSIZE;
	void *hdr;

	rtnl_lock();
	mutex_lock(&device->lock);
	cb->seq = device->config_seq;
	fwg_cursor_find(cursor);

	hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			  fwg_netlink_family_of(cb), NLM_F_MULTI, FORKGUARD_CMD_GET_DEVICE);
	if (!hdr)
		goto out;
	genl_dump_check_consistent(cb, hdr);
	if ((!cursor->peers && fwg_put_device_state(skb, cb)) || fwg_put_peers(skb, cursor)) {
		genlmsg_cancel(skb, hdr);
		goto out;
	}
	genlmsg_end(skb, hdr);
	err = cursor->peer == &device->peers ? 0 : skb->len;
out:
	mutex_unlock(&device->lock);
	rtnl_unlock();
	return err;
}

/**
 * fwg_netlink_dump_done() - end a dump
 * @cb: the dump
 *
 * Context: process.
 * Return: 0.
 */
int fwg_netlink_dump_done(struct netlink_callback *cb)
{
	struct fwg_device *device = fwg_cursor_of(cb)->device;

	if (device)
		dev_put(device->dev);
	return 0;
}
