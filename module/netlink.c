// SPDX-License-Identifier: GPL-2.0
/*
 * netlink: the generic netlink family; see <linux/forkguard.h>.
 *
 * A message is looked through as a whole before any of it is applied.
 */

#include "netlink.h"
#include "compat.h"
#include "device.h"
#include "generation.h"
#include "peer.h"
#include "reset.h"
#include "send.h"

#include <crypto/algapi.h>
#include <linux/if.h>
#include <linux/random.h>
#include <linux/wireguard.h>
#include <net/genetlink.h>
#include <net/netns/generic.h>
#include <net/sock.h>

static struct genl_family family, wireguard_family;

/* A salt for tags, so that two namespaces do not learn from them that they share a machine. */
struct fwg_net {
	u8 tag_salt[GENERATION_SALT_LEN];
};

static unsigned int net_id;

#define PEER_FLAGS                                                          \
	(FORKGUARD_PEER_F_REMOVE_ME | FORKGUARD_PEER_F_REPLACE_ALLOWEDIPS | \
	 FORKGUARD_PEER_F_UPDATE_ONLY)

static const struct nla_policy allowedip_policy[FORKGUARD_ALLOWEDIP_A_MAX + 1] = {
	[FORKGUARD_ALLOWEDIP_A_FAMILY] = { .type = NLA_U16 },
	[FORKGUARD_ALLOWEDIP_A_IPADDR] = NLA_POLICY_MIN_LEN(sizeof(struct in_addr)),
	[FORKGUARD_ALLOWEDIP_A_CIDR_MASK] = { .type = NLA_U8 },
	[FORKGUARD_ALLOWEDIP_A_FLAGS] = NLA_POLICY_MASK(NLA_U32, FORKGUARD_ALLOWEDIP_F_REMOVE_ME),
};

static const struct nla_policy peer_policy[FORKGUARD_PEER_A_MAX + 1] = {
	[FORKGUARD_PEER_A_PUBLIC_KEY] = NLA_POLICY_EXACT_LEN(NOISE_PUBLIC_KEY_LEN),
	[FORKGUARD_PEER_A_PRESHARED_KEY] = NLA_POLICY_EXACT_LEN(NOISE_SYMMETRIC_KEY_LEN),
	[FORKGUARD_PEER_A_FLAGS] = NLA_POLICY_MASK(NLA_U32, PEER_FLAGS),
	[FORKGUARD_PEER_A_ENDPOINT] = NLA_POLICY_MIN_LEN(sizeof(struct sockaddr)),
	[FORKGUARD_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL] = { .type = NLA_U16 },
	[FORKGUARD_PEER_A_ALLOWEDIPS] = NLA_POLICY_NESTED_ARRAY(allowedip_policy),
	[FORKGUARD_PEER_A_PROTOCOL_VERSION] = NLA_POLICY_RANGE(NLA_U32, 1, 1),
};

static const struct nla_policy device_policy[FORKGUARD_DEVICE_A_MAX + 1] = {
	[FORKGUARD_DEVICE_A_IFINDEX] = { .type = NLA_U32 },
	[FORKGUARD_DEVICE_A_IFNAME] = { .type = NLA_NUL_STRING, .len = IFNAMSIZ - 1 },
	[FORKGUARD_DEVICE_A_PRIVATE_KEY] = NLA_POLICY_EXACT_LEN(NOISE_PUBLIC_KEY_LEN),
	[FORKGUARD_DEVICE_A_FLAGS] = NLA_POLICY_MASK(NLA_U32, FORKGUARD_DEVICE_F_REPLACE_PEERS),
	[FORKGUARD_DEVICE_A_LISTEN_PORT] = { .type = NLA_U16 },
	[FORKGUARD_DEVICE_A_FWMARK] = { .type = NLA_U32 },
	[FORKGUARD_DEVICE_A_PEERS] = NLA_POLICY_NESTED_ARRAY(peer_policy),
	[FORKGUARD_DEVICE_A_PEER_KEY] = NLA_POLICY_EXACT_LEN(NOISE_PUBLIC_KEY_LEN),
};

/* The device that a message names by index or by name; the caller puts it. */
static struct fwg_device *fwg_find_device(struct net *net, struct nlattr *const *attrs,
					  struct netlink_ext_ack *extack)
{
	const struct nlattr *index = attrs[FORKGUARD_DEVICE_A_IFINDEX];
	const struct nlattr *name = attrs[FORKGUARD_DEVICE_A_IFNAME];
	struct net_device *dev;

	if (!index == !name) {
		NL_SET_ERR_MSG(extack, "exactly one of interface index and name is needed");
		return ERR_PTR(-EBADR);
	}
	dev = index ? dev_get_by_index(net, nla_get_u32(index)) :
		      dev_get_by_name(net, nla_data(name));
	if (!dev) {
		NL_SET_ERR_MSG_ATTR(extack, index ?: name, "no such interface");
		return ERR_PTR(-ENODEV);
	}
	if (!fwg_device_is_forkguard(dev)) {
		dev_put(dev);
		NL_SET_ERR_MSG_ATTR(extack, index ?: name, "not a forkguard interface");
		return ERR_PTR(-EOPNOTSUPP);
	}
	return netdev_priv(dev);
}

static int fwg_put_timespec(struct sk_buff *skb, int type, const struct timespec64 *time)
{
	const struct __kernel_timespec ts = { .tv_sec = time->tv_sec, .tv_nsec = time->tv_nsec };

	return nla_put(skb, type, sizeof(ts), &ts);
}

static int fwg_put_generation(struct sk_buff *skb, const struct net *net)
{
	const struct fwg_net *own = net_generic(net, net_id);
	struct nlattr *nest = nla_nest_start(skb, FORKGUARD_DEVICE_A_GENERATION);
	u8 tag[FORKGUARD_GENERATION_TAG_LEN];

	if (!nest || nla_put_u32(skb, FORKGUARD_GENERATION_A_SOURCE, fwg_generation_source()) ||
	    nla_put_u32(skb, FORKGUARD_GENERATION_A_CHECK, fwg_generation_check()) ||
	    (fwg_generation_tag(own->tag_salt, tag) &&
	     nla_put(skb, FORKGUARD_GENERATION_A_TAG, sizeof(tag), tag)) ||
	    nla_put_u64_64bit(skb, FORKGUARD_GENERATION_A_FORKS, fwg_generation_forks(),
			      FORKGUARD_GENERATION_A_PAD))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/**
 * struct dump_cursor - where a dump goes on in the next message
 * @device: held from start to end
 * @seq: the configuration that @peer and @allowedip are of
 * @peer: the next one in the list of peers, or the list's head
 * @allowedip: the next one in the list of that peer's allowed IPs, if some of
 *	them have been told
 * @peers: how many peers have been told
 * @allowedips: how many allowed IPs of the next peer have been told
 * @begun: the device itself has been told
 *
 * Whatever changes between two messages, the counts refer to nothing that could
 * be gone. The pointers save counting, and are good while nothing changes: at
 * 64 bits, @seq does not come round.
 */
struct dump_cursor {
	struct fwg_device *device;
	u64 seq;
	struct list_head *peer, *allowedip;
	unsigned int peers, allowedips;
	bool begun;
};

static struct dump_cursor *fwg_cursor_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct dump_cursor) > sizeof(cb->ctx));
	return (struct dump_cursor *)cb->ctx;
}

/* The entry of a list, or its head, that comes after @n others. */
static struct list_head *fwg_list_at(struct list_head *head, unsigned int n)
{
	struct list_head *at = head->next;

	while (n-- && at != head)
		at = at->next;
	return at;
}

/* Have the pointers be of what the configuration is now. */
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
	if (nla_put_u16(skb, FORKGUARD_ALLOWEDIP_A_FAMILY, ip->key.family) ||
	    nla_put(skb, FORKGUARD_ALLOWEDIP_A_IPADDR,
		    v4 ? sizeof(struct in_addr) : sizeof(struct in6_addr), ip->key.addr) ||
	    nla_put_u8(skb, FORKGUARD_ALLOWEDIP_A_CIDR_MASK, ip->key.cidr)) {
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
			      FORKGUARD_PEER_A_PAD) ||
	    nla_put_u64_64bit(skb, FORKGUARD_PEER_A_RX_BYTES, atomic64_read(&peer->rx_bytes),
			      FORKGUARD_PEER_A_PAD) ||
	    nla_put_u32(skb, FORKGUARD_PEER_A_PROTOCOL_VERSION, 1) ||
	    fwg_put_endpoint(skb, &endpoint))
		return -EMSGSIZE;
	return 0;
}

/*
 * Tell of a peer, or of the rest of its allowed IPs. Returns -EMSGSIZE when it
 * is to be continued; then the cursor says where.
 */
static int fwg_put_peer(struct sk_buff *skb, struct fwg_peer *peer, struct dump_cursor *cursor)
{
	struct list_head *first, *at;
	struct nlattr *nest, *ips_nest;

	first = cursor->allowedips ? cursor->allowedip : peer->allowed.next;
	nest = nla_nest_start(skb, 0);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put(skb, FORKGUARD_PEER_A_PUBLIC_KEY, NOISE_PUBLIC_KEY_LEN,
		    fwg_noise_peer_public_key(peer->noise)) ||
	    (!cursor->allowedips && fwg_put_peer_state(skb, peer)))
		goto cancel;
	ips_nest = nla_nest_start(skb, FORKGUARD_PEER_A_ALLOWEDIPS);
	if (!ips_nest)
		goto cancel;
	for (at = first; at != &peer->allowed; at = at->next) {
		if (fwg_put_allowedip(skb, list_entry(at, struct allowedip, in_peer))) {
			/* With nothing to show for it, leave the peer to the next message. */
			if (at == first)
				goto cancel;
			cursor->allowedip = at;
			nla_nest_end(skb, ips_nest);
			nla_nest_end(skb, nest);
			return -EMSGSIZE;
		}
		cursor->allowedips++;
	}
	cursor->allowedips = 0;
	nla_nest_end(skb, ips_nest);
	nla_nest_end(skb, nest);
	return 0;
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

/* What WireGuard does not have. */
static int fwg_put_fork_state(struct sk_buff *skb, struct fwg_device *device)
{
	struct fwg_reset_record last = fwg_reset_last(device);

	if (fwg_put_generation(skb, dev_net(device->dev)) ||
	    nla_put_u64_64bit(skb, FORKGUARD_DEVICE_A_RESETS, last.count, FORKGUARD_DEVICE_A_PAD) ||
	    nla_put_u32(skb, FORKGUARD_DEVICE_A_RESET_CAUSE, last.cause) ||
	    fwg_put_timespec(skb, FORKGUARD_DEVICE_A_RESET_TIME, &last.time))
		return -EMSGSIZE;
	return 0;
}

/* By which was asked. */
static const struct genl_family *fwg_family_of(const struct netlink_callback *cb)
{
	return cb->nlh->nlmsg_type == wireguard_family.id ? &wireguard_family : &family;
}

static int fwg_put_device_state(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct fwg_device *device = fwg_cursor_of(cb)->device;

	if (nla_put_u16(skb, FORKGUARD_DEVICE_A_LISTEN_PORT, device->sockets.port) ||
	    nla_put_u32(skb, FORKGUARD_DEVICE_A_FWMARK, device->sockets.fwmark) ||
	    fwg_put_identity(skb, device))
		return -EMSGSIZE;
	return fwg_family_of(cb) == &family ? fwg_put_fork_state(skb, device) : 0;
}

static int fwg_get_device_start(struct netlink_callback *cb)
{
	struct fwg_device *device;

	device = fwg_find_device(sock_net(cb->skb->sk), compat_dump_attrs(cb), cb->extack);
	if (IS_ERR(device))
		return PTR_ERR(device);
	*fwg_cursor_of(cb) = (struct dump_cursor){ .device = device };
	return 0;
}

static int fwg_get_device_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump_cursor *cursor = fwg_cursor_of(cb);
	struct fwg_device *device = cursor->device;
	struct nlattr *peers_nest;
	int err = -EMSGSIZE;
	void *hdr;

	rtnl_lock();
	mutex_lock(&device->lock);
	cb->seq = device->config_seq;

	fwg_cursor_find(cursor);
	if (cursor->begun && cursor->peer == &device->peers) {
		err = 0;
		goto out;
	}

	hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, fwg_family_of(cb),
			  NLM_F_MULTI, FORKGUARD_CMD_GET_DEVICE);
	if (!hdr)
		goto out;
	genl_dump_check_consistent(cb, hdr);
	if (nla_put_u32(skb, FORKGUARD_DEVICE_A_IFINDEX, device->dev->ifindex) ||
	    nla_put_string(skb, FORKGUARD_DEVICE_A_IFNAME, device->dev->name) ||
	    (!cursor->begun && fwg_put_device_state(skb, cb)))
		goto cancel;
	peers_nest = nla_nest_start(skb, FORKGUARD_DEVICE_A_PEERS);
	if (!peers_nest)
		goto cancel;
	for (; cursor->peer != &device->peers; cursor->peer = cursor->peer->next) {
		if (fwg_put_peer(skb, list_entry(cursor->peer, struct fwg_peer, list), cursor))
			break;
		cursor->peers++;
	}
	nla_nest_end(skb, peers_nest);
	genlmsg_end(skb, hdr);
	cursor->begun = true;
	err = skb->len;
	goto out;
cancel:
	genlmsg_cancel(skb, hdr);
out:
	mutex_unlock(&device->lock);
	rtnl_unlock();
	return err;
}

static int fwg_get_device_done(struct netlink_callback *cb)
{
	struct fwg_device *device = fwg_cursor_of(cb)->device;

	if (device)
		dev_put(device->dev);
	return 0;
}

static int fwg_check_allowedip(const struct nlattr *nest, struct nlattr **attrs,
			       struct netlink_ext_ack *extack)
{
	int err =
		nla_parse_nested(attrs, FORKGUARD_ALLOWEDIP_A_MAX, nest, allowedip_policy, extack);
	int len, bits;

	if (err)
		return err;
	if (!attrs[FORKGUARD_ALLOWEDIP_A_FAMILY] || !attrs[FORKGUARD_ALLOWEDIP_A_IPADDR] ||
	    !attrs[FORKGUARD_ALLOWEDIP_A_CIDR_MASK]) {
		NL_SET_ERR_MSG_ATTR(extack, nest,
				    "allowed IP without family, address or prefix length");
		return -EINVAL;
	}
	len = nla_len(attrs[FORKGUARD_ALLOWEDIP_A_IPADDR]);
	switch (nla_get_u16(attrs[FORKGUARD_ALLOWEDIP_A_FAMILY])) {
	case AF_INET:
		bits = 8 * sizeof(struct in_addr);
		break;
	case AF_INET6:
		bits = 8 * sizeof(struct in6_addr);
		break;
	default:
		NL_SET_ERR_MSG_ATTR(extack, attrs[FORKGUARD_ALLOWEDIP_A_FAMILY],
				    "family of allowed IP is neither IPv4 nor IPv6");
		return -EINVAL;
	}
	if (len * 8 != bits) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[FORKGUARD_ALLOWEDIP_A_IPADDR],
				    "length of allowed IP is not that of its family");
		return -EINVAL;
	}
	if (nla_get_u8(attrs[FORKGUARD_ALLOWEDIP_A_CIDR_MASK]) > bits) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[FORKGUARD_ALLOWEDIP_A_CIDR_MASK],
				    "prefix is longer than an address");
		return -EINVAL;
	}
	return 0;
}

static int fwg_check_endpoint(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	const struct sockaddr *addr = nla_data(attr);
	int len = nla_len(attr);

	if ((addr->sa_family == AF_INET && len == sizeof(struct sockaddr_in)) ||
	    (addr->sa_family == AF_INET6 && len == sizeof(struct sockaddr_in6)))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attr, "endpoint is neither an IPv4 nor an IPv6 address");
	return -EINVAL;
}

static int fwg_check_peer(const struct nlattr *nest, struct nlattr **attrs,
			  struct netlink_ext_ack *extack)
{
	struct nlattr *ip_attrs[FORKGUARD_ALLOWEDIP_A_MAX + 1];
	const struct nlattr *ip;
	int err, rem;

	err = nla_parse_nested(attrs, FORKGUARD_PEER_A_MAX, nest, peer_policy, extack);
	if (err)
		return err;
	if (!attrs[FORKGUARD_PEER_A_PUBLIC_KEY]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "peer without public key");
		return -EINVAL;
	}
	if (attrs[FORKGUARD_PEER_A_ENDPOINT]) {
		err = fwg_check_endpoint(attrs[FORKGUARD_PEER_A_ENDPOINT], extack);
		if (err)
			return err;
	}
	if (attrs[FORKGUARD_PEER_A_ALLOWEDIPS]) {
		nla_for_each_nested(ip, attrs[FORKGUARD_PEER_A_ALLOWEDIPS], rem) {
			err = fwg_check_allowedip(ip, ip_attrs, extack);
			if (err)
				return err;
		}
	}
	return 0;
}

static int fwg_set_port(struct fwg_device *device, u16 port)
{
	struct fwg_peer *peer;
	int err;

	if (device->sockets.port == port)
		return 0;
	if (!netif_running(device->dev)) {
		device->sockets.port = port;
		return 0;
	}
	err = fwg_sockets_open(&device->sockets, port);
	if (!err)
		list_for_each_entry(peer, &device->peers, list)
			fwg_path_clear_source(&peer->path);
	return err;
}

static void fwg_set_private_key(struct fwg_device *device, const u8 *attr)
{
	u8 public_key[NOISE_PUBLIC_KEY_LEN], old[NOISE_PUBLIC_KEY_LEN], key[NOISE_PUBLIC_KEY_LEN];
	struct fwg_peer *peer;
	bool same;

	memcpy(key, attr, sizeof(key));
	if (crypto_memneq(key, curve25519_null_point, sizeof(key)))
		curve25519_clamp_secret(key);
	fwg_noise_local_identity(device->noise, old, public_key);
	same = !crypto_memneq(key, old, sizeof(key));
	if (!same)
		fwg_noise_local_set_private_key(device->noise, key);
	memzero_explicit(old, sizeof(old));
	memzero_explicit(key, sizeof(key));
	/* Sessions stay when nothing changes. */
	if (same)
		return;

	/* Nobody talks to himself; who has no key is nobody. */
	peer = NULL;
	if (fwg_noise_local_identity(device->noise, NULL, public_key))
		peer = fwg_noise_peer_find(device->noise, public_key);
	if (peer) {
		fwg_peer_remove(peer);
		fwg_peer_put(peer);
	}
	list_for_each_entry(peer, &device->peers, list) {
		fwg_noise_peer_clear(peer->noise);
		/* What waits need not wait for the time that the old key's handshake had. */
		WRITE_ONCE(peer->timers.hurry, true);
		if (!netif_running(device->dev))
			continue;
		if (peer->timers.keepalive_interval)
			fwg_send_keepalive(peer);
		else
			fwg_send_staged(peer);
	}
}

static int fwg_set_allowedip(struct fwg_peer *peer, const struct nlattr *nest,
			     struct netlink_ext_ack *extack)
{
	struct allowedips *ips = &peer->device->allowedips;
	struct nlattr *attrs[FORKGUARD_ALLOWEDIP_A_MAX + 1];
	const void *addr;
	int family, err;
	u8 cidr;

	err = fwg_check_allowedip(nest, attrs, extack);
	if (err)
		return err;
	family = nla_get_u16(attrs[FORKGUARD_ALLOWEDIP_A_FAMILY]);
	addr = nla_data(attrs[FORKGUARD_ALLOWEDIP_A_IPADDR]);
	cidr = nla_get_u8(attrs[FORKGUARD_ALLOWEDIP_A_CIDR_MASK]);
	if (attrs[FORKGUARD_ALLOWEDIP_A_FLAGS] &&
	    nla_get_u32(attrs[FORKGUARD_ALLOWEDIP_A_FLAGS]) & FORKGUARD_ALLOWEDIP_F_REMOVE_ME) {
		fwg_allowedips_remove(ips, family, addr, cidr, peer);
		return 0;
	}
	err = fwg_allowedips_add(ips, family, addr, cidr, peer, &peer->allowed);
	if (err)
		NL_SET_BAD_ATTR(extack, nest);
	return err;
}

static void fwg_set_endpoint(struct fwg_peer *peer, const struct nlattr *attr)
{
	struct endpoint endpoint = {};

	memcpy(&endpoint, nla_data(attr), nla_len(attr));
	if (endpoint.addr.sa_family == AF_INET)
		memset(endpoint.addr4.sin_zero, 0, sizeof(endpoint.addr4.sin_zero));
	else
		endpoint.addr6.sin6_flowinfo = 0;
	fwg_path_set(&peer->path, &endpoint);
}

static void fwg_set_keepalive(struct fwg_peer *peer, u16 interval)
{
	bool begin = interval && !peer->timers.keepalive_interval &&
		     netif_running(peer->device->dev);

	WRITE_ONCE(peer->timers.keepalive_interval, interval);
	if (begin)
		fwg_send_keepalive(peer);
}

static int fwg_set_peer(struct fwg_device *device, const struct nlattr *nest,
			struct netlink_ext_ack *extack)
{
	struct nlattr *attrs[FORKGUARD_PEER_A_MAX + 1];
	u8 own_key[NOISE_PUBLIC_KEY_LEN];
	const u8 *key, *psk = NULL;
	const struct nlattr *ip;
	struct fwg_peer *peer;
	u32 flags = 0;
	int err, rem;

	err = fwg_check_peer(nest, attrs, extack);
	if (err)
		return err;
	if (attrs[FORKGUARD_PEER_A_FLAGS])
		flags = nla_get_u32(attrs[FORKGUARD_PEER_A_FLAGS]);
	key = nla_data(attrs[FORKGUARD_PEER_A_PUBLIC_KEY]);
	if (attrs[FORKGUARD_PEER_A_PRESHARED_KEY])
		psk = nla_data(attrs[FORKGUARD_PEER_A_PRESHARED_KEY]);

	peer = fwg_noise_peer_find(device->noise, key);
	if (!peer) {
		if (flags & (FORKGUARD_PEER_F_REMOVE_ME | FORKGUARD_PEER_F_UPDATE_ONLY))
			return 0;
		if (fwg_noise_local_identity(device->noise, NULL, own_key) &&
		    !memcmp(key, own_key, sizeof(own_key)))
			return 0;
		peer = fwg_peer_create(device, key, psk);
		if (IS_ERR(peer)) {
			NL_SET_BAD_ATTR(extack, nest);
			return PTR_ERR(peer);
		}
		/* The device lock keeps it. */
		if (!fwg_peer_hold(peer))
			return -ENOENT;
	}
	if (flags & FORKGUARD_PEER_F_REMOVE_ME) {
		fwg_peer_remove(peer);
		goto out;
	}
	if (psk)
		fwg_noise_peer_set_psk(peer->noise, psk);
	if (attrs[FORKGUARD_PEER_A_ENDPOINT])
		fwg_set_endpoint(peer, attrs[FORKGUARD_PEER_A_ENDPOINT]);
	if (flags & FORKGUARD_PEER_F_REPLACE_ALLOWEDIPS)
		fwg_allowedips_remove_all(&device->allowedips, &peer->allowed);
	if (attrs[FORKGUARD_PEER_A_ALLOWEDIPS]) {
		nla_for_each_nested(ip, attrs[FORKGUARD_PEER_A_ALLOWEDIPS], rem) {
			err = fwg_set_allowedip(peer, ip, extack);
			if (err)
				goto out;
		}
	}
	if (attrs[FORKGUARD_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL])
		fwg_set_keepalive(
			peer, nla_get_u16(attrs[FORKGUARD_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL]));
	if (netif_running(device->dev))
		fwg_send_staged(peer);
out:
	fwg_peer_put(peer);
	return err;
}

/* Look through a whole message, so that a malformed one changes nothing. */
static int fwg_check_message(struct genl_info *info)
{
	struct nlattr *attrs[FORKGUARD_PEER_A_MAX + 1];
	const struct nlattr *peer;
	int err, rem;

	if (!info->attrs[FORKGUARD_DEVICE_A_PEERS])
		return 0;
	nla_for_each_nested(peer, info->attrs[FORKGUARD_DEVICE_A_PEERS], rem) {
		err = fwg_check_peer(peer, attrs, info->extack);
		if (err)
			return err;
	}
	return 0;
}

/* The sockets are of the namespace of birth, which the device may have left. */
static int fwg_check_sockets(struct fwg_device *device, struct genl_info *info)
{
	const struct nlattr *port = info->attrs[FORKGUARD_DEVICE_A_LISTEN_PORT];
	const struct nlattr *mark = info->attrs[FORKGUARD_DEVICE_A_FWMARK];
	struct net *net;
	int err = 0;

	if (!port && !mark)
		return 0;
	rcu_read_lock();
	net = rcu_dereference(device->sockets.net);
	if (!net || !ns_capable(net->user_ns, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG_ATTR(info->extack, port ?: mark,
				    "the sockets are in a namespace that is not yours");
		err = -EPERM;
	}
	rcu_read_unlock();
	return err;
}

static int fwg_apply_message(struct fwg_device *device, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	const struct nlattr *nest;
	struct fwg_peer *peer;
	int err, rem;

	/* What may fail comes first. */
	if (attrs[FORKGUARD_DEVICE_A_LISTEN_PORT]) {
		err = fwg_set_port(device, nla_get_u16(attrs[FORKGUARD_DEVICE_A_LISTEN_PORT]));
		if (err) {
			NL_SET_ERR_MSG_ATTR(info->extack, attrs[FORKGUARD_DEVICE_A_LISTEN_PORT],
					    "the port could not be opened");
			return err;
		}
	}
	if (attrs[FORKGUARD_DEVICE_A_FWMARK]) {
		WRITE_ONCE(device->sockets.fwmark, nla_get_u32(attrs[FORKGUARD_DEVICE_A_FWMARK]));
		list_for_each_entry(peer, &device->peers, list)
			fwg_path_clear_source(&peer->path);
	}
	if (attrs[FORKGUARD_DEVICE_A_FLAGS] &&
	    nla_get_u32(attrs[FORKGUARD_DEVICE_A_FLAGS]) & FORKGUARD_DEVICE_F_REPLACE_PEERS)
		fwg_peer_remove_all(device);
	if (attrs[FORKGUARD_DEVICE_A_PRIVATE_KEY])
		fwg_set_private_key(device, nla_data(attrs[FORKGUARD_DEVICE_A_PRIVATE_KEY]));
	if (attrs[FORKGUARD_DEVICE_A_PEERS]) {
		nla_for_each_nested(nest, attrs[FORKGUARD_DEVICE_A_PEERS], rem) {
			err = fwg_set_peer(device, nest, info->extack);
			if (err)
				return err;
		}
	}
	return 0;
}

static void fwg_wipe(const struct nlattr *attr)
{
	if (attr)
		memzero_explicit(nla_data(attr), nla_len(attr));
}

/* The message is freed after this, as it is: no key may be left in it. */
static void fwg_wipe_message(struct genl_info *info)
{
	const struct nlattr *peers = info->attrs[FORKGUARD_DEVICE_A_PEERS], *peer, *attr;
	int rem, peer_rem;

	fwg_wipe(info->attrs[FORKGUARD_DEVICE_A_PRIVATE_KEY]);
	if (!peers)
		return;
	nla_for_each_nested(peer, peers, rem)
		nla_for_each_nested(attr, peer, peer_rem)
			if (nla_type(attr) == FORKGUARD_PEER_A_PRESHARED_KEY)
				fwg_wipe(attr);
}

static int fwg_set_device(struct sk_buff *skb, struct genl_info *info)
{
	struct fwg_device *device;
	int err;

	device = fwg_find_device(genl_info_net(info), info->attrs, info->extack);
	if (IS_ERR(device)) {
		err = PTR_ERR(device);
		goto out;
	}
	err = fwg_check_message(info);
	if (!err) {
		rtnl_lock();
		mutex_lock(&device->lock);
		device->config_seq++;
		err = fwg_check_sockets(device, info) ?: fwg_apply_message(device, info);
		mutex_unlock(&device->lock);
		rtnl_unlock();
	}
	dev_put(device->dev);
out:
	fwg_wipe_message(info);
	return err;
}

static int fwg_reset(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *key = info->attrs[FORKGUARD_DEVICE_A_PEER_KEY];
	struct fwg_device *device;
	struct fwg_peer *peer;
	int err = 0;

	device = fwg_find_device(genl_info_net(info), info->attrs, info->extack);
	if (IS_ERR(device))
		return PTR_ERR(device);
	if (!key) {
		fwg_reset_force_device(device);
		goto out;
	}
	peer = fwg_noise_peer_find(device->noise, nla_data(key));
	if (!peer) {
		NL_SET_ERR_MSG_ATTR(info->extack, key, "no such peer");
		err = -ENOENT;
		goto out;
	}
	fwg_reset_force_peer(peer);
	fwg_peer_put(peer);
out:
	dev_put(device->dev);
	return err;
}

static int fwg_get_generation(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *reply = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *hdr;

	if (!reply)
		return -ENOMEM;
	hdr = genlmsg_put_reply(reply, info, &family, 0, FORKGUARD_CMD_GET_GENERATION);
	if (!hdr || fwg_put_generation(reply, genl_info_net(info))) {
		nlmsg_free(reply);
		return -EMSGSIZE;
	}
	genlmsg_end(reply, hdr);
	return genlmsg_reply(reply, info);
}

/**
 * fwg_netlink_tell_reset() - send the event of a reset
 * @device: the device
 * @cause: why
 * @peers: the number of peers of which something was wiped
 * @only_peer: the public key, if one peer was reset; otherwise NULL
 *
 * Context: RCU read-side critical section.
 */
void fwg_netlink_tell_reset(struct fwg_device *device, enum forkguard_reset_cause cause,
			    unsigned int peers, const u8 *only_peer)
{
	struct net *net = dev_net(device->dev);
	struct sk_buff *skb;
	void *hdr;

	if (!genl_has_listeners(&family, net, 0))
		return;
	skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_ATOMIC);
	if (!skb)
		return;
	hdr = genlmsg_put(skb, 0, 0, &family, 0, FORKGUARD_CMD_RESET_EVENT);
	if (!hdr || nla_put_u32(skb, FORKGUARD_DEVICE_A_IFINDEX, device->dev->ifindex) ||
	    nla_put_string(skb, FORKGUARD_DEVICE_A_IFNAME, device->dev->name) ||
	    fwg_put_generation(skb, net) ||
	    nla_put_u32(skb, FORKGUARD_DEVICE_A_RESET_CAUSE, cause) ||
	    nla_put_u32(skb, FORKGUARD_DEVICE_A_RESET_PEERS, peers) ||
	    (only_peer &&
	     nla_put(skb, FORKGUARD_DEVICE_A_PEER_KEY, NOISE_PUBLIC_KEY_LEN, only_peer))) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, hdr);
	genlmsg_multicast_netns(&family, net, skb, 0, 0, GFP_ATOMIC);
}

/* Those that WireGuard has come first. */
static const struct genl_ops ops[] = {
	{
		.cmd = FORKGUARD_CMD_GET_DEVICE,
		.flags = GENL_UNS_ADMIN_PERM,
		.start = fwg_get_device_start,
		.dumpit = fwg_get_device_dump,
		.done = fwg_get_device_done,
	},
	{
		.cmd = FORKGUARD_CMD_SET_DEVICE,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = fwg_set_device,
	},
	{
		.cmd = FORKGUARD_CMD_RESET,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = fwg_reset,
	},
	{
		.cmd = FORKGUARD_CMD_GET_GENERATION,
		.flags = GENL_UNS_ADMIN_PERM,
		.doit = fwg_get_generation,
	},
};

static const struct genl_multicast_group groups[] = {
	{ .name = FORKGUARD_GENL_MCGRP_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

static struct genl_family family __ro_after_init = {
	.name = FORKGUARD_GENL_NAME,
	.version = FORKGUARD_GENL_VERSION,
	.maxattr = FORKGUARD_DEVICE_A_MAX,
	.policy = device_policy,
	.netnsok = true,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	/* The reset of a device with many peers takes long, and holds up nobody. */
	.parallel_ops = true,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

/* WireGuard's, for those who know no other: with its commands and attributes alone. */
static struct genl_family wireguard_family __ro_after_init = {
	.name = WG_GENL_NAME,
	.version = WG_GENL_VERSION,
	.maxattr = FORKGUARD_DEVICE_A_PEERS,
	.policy = device_policy,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = FORKGUARD_CMD_SET_DEVICE + 1,
	.resv_start_op = FORKGUARD_CMD_SET_DEVICE + 1,
};

static int __net_init fwg_net_init(struct net *net)
{
	struct fwg_net *own = net_generic(net, net_id);

	get_random_bytes(own->tag_salt, sizeof(own->tag_salt));
	return 0;
}

static struct pernet_operations pernet_ops = {
	.init = fwg_net_init,
	.id = &net_id,
	.size = sizeof(struct fwg_net),
};

/**
 * fwg_netlink_init() - register the family
 * @replace_wireguard: and that of WireGuard
 *
 * Context: process.
 * Return: 0 or a negative error; -EEXIST when WireGuard itself is there.
 */
int __init fwg_netlink_init(bool replace_wireguard)
{
	int err;

	err = register_pernet_subsys(&pernet_ops);
	if (err)
		return err;
	err = genl_register_family(&family);
	if (err)
		goto err_pernet;
	if (replace_wireguard) {
		err = genl_register_family(&wireguard_family);
		if (err)
			goto err_family;
	}
	return 0;

err_family:
	genl_unregister_family(&family);
err_pernet:
	unregister_pernet_subsys(&pernet_ops);
	return err;
}

/**
 * fwg_netlink_exit() - unregister the family
 * @replace_wireguard: as it was for fwg_netlink_init()
 *
 * Context: process.
 */
void fwg_netlink_exit(bool replace_wireguard)
{
	if (replace_wireguard)
		genl_unregister_family(&wireguard_family);
	genl_unregister_family(&family);
	unregister_pernet_subsys(&pernet_ops);
}
