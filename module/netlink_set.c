// SPDX-License-Identifier: GPL-2.0
/*
 * netlink_set: configures a device.
 *
 * A message is applied whole or not at all. It is checked from end to end, and
 * all that it needs is allocated, before anything is changed. One thing can fail
 * later: adding a new peer, if the hash table has to grow and can't.
 *
 * Peers and allowed IPs are removed last. Until then packets may find the old owner
 * of an address; afterwards, they find only the new one.
 */

#include "netlink_parts.h"
#include "peer.h"
#include "send.h"

#include <crypto/algapi.h>
#include <linux/if.h>

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

const struct nla_policy fwg_netlink_device_policy[FORKGUARD_DEVICE_A_MAX + 1] = {
	[FORKGUARD_DEVICE_A_IFINDEX] = { .type = NLA_U32 },
	[FORKGUARD_DEVICE_A_IFNAME] = { .type = NLA_NUL_STRING, .len = IFNAMSIZ - 1 },
	[FORKGUARD_DEVICE_A_PRIVATE_KEY] = NLA_POLICY_EXACT_LEN(NOISE_PUBLIC_KEY_LEN),
	[FORKGUARD_DEVICE_A_FLAGS] = NLA_POLICY_MASK(NLA_U32, FORKGUARD_DEVICE_F_REPLACE_PEERS),
	[FORKGUARD_DEVICE_A_LISTEN_PORT] = { .type = NLA_U16 },
	[FORKGUARD_DEVICE_A_FWMARK] = { .type = NLA_U32 },
	[FORKGUARD_DEVICE_A_PEERS] = NLA_POLICY_NESTED_ARRAY(peer_policy),
	[FORKGUARD_DEVICE_A_PEER_KEY] = NLA_POLICY_EXACT_LEN(NOISE_PUBLIC_KEY_LEN),
};

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

/* Does not check the allowed IPs. */
static int fwg_check_peer(const struct nlattr *nest, struct nlattr **attrs,
			  struct netlink_ext_ack *extack)
{
	int err;

	err = nla_parse_nested(attrs, FORKGUARD_PEER_A_MAX, nest, peer_policy, extack);
	if (err)
		return err;
	if (!attrs[FORKGUARD_PEER_A_PUBLIC_KEY]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "peer without public key");
		return -EINVAL;
	}
	if (attrs[FORKGUARD_PEER_A_ENDPOINT])
		return fwg_check_endpoint(attrs[FORKGUARD_PEER_A_ENDPOINT], extack);
	return 0;
}

/**
 * struct fwg_change - a message that is being applied
 * @device: the device that it configures
 * @extack: gets the error message
 * @num_spare: how many peers are in @spare
 * @spare: peers that the message may add; lookups do not find them yet
 * @removed: peers that it has removed
 * @ips: allowed IPs that are aside: new ones, and those to be removed
 */
struct fwg_change {
	struct fwg_device *device;
	struct netlink_ext_ack *extack;
	unsigned int num_spare;
	struct list_head spare, removed, ips;
};

/* The device's lock keeps the peer: removed peers are put at the end of the message. */
static struct fwg_peer *fwg_find_peer(struct fwg_device *device, const u8 *public_key)
{
	struct fwg_peer *peer = fwg_noise_peer_find(device->noise, public_key);

	fwg_peer_put(peer);
	return peer;
}

static u32 fwg_flags_of(const struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
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

static void fwg_set_private_key(struct fwg_change *change, const u8 *attr)
{
	u8 public_key[NOISE_PUBLIC_KEY_LEN], old[NOISE_PUBLIC_KEY_LEN], key[NOISE_PUBLIC_KEY_LEN];
	struct fwg_device *device = change->device;
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
	/* Setting the same key again keeps the sessions. */
	if (same)
		return;

	/* An interface can't be its own peer. */
	peer = NULL;
	if (fwg_noise_local_identity(device->noise, NULL, public_key))
		peer = fwg_find_peer(device, public_key);
	if (peer)
		fwg_peer_unlink(peer, &change->ips, &change->removed);
	list_for_each_entry(peer, &device->peers, list) {
		fwg_noise_peer_clear(peer->noise);
		/* No need to wait for the usual interval after handshakes with the old key. */
		WRITE_ONCE(peer->timers.hurry, true);
		if (!netif_running(device->dev))
			continue;
		if (peer->timers.keepalive_interval)
			fwg_send_keepalive(peer);
		else
			fwg_send_staged(peer);
	}
}

/* Give an allowed IP to @peer or take it away; if @peer is NULL, only allocate for it. */
static int fwg_set_allowedip(struct fwg_change *change, struct fwg_peer *peer,
			     const struct nlattr *nest)
{
	struct allowedips *ips = &change->device->allowedips;
	struct nlattr *attrs[FORKGUARD_ALLOWEDIP_A_MAX + 1];
	const void *addr;
	int family, err;
	bool remove;
	u8 cidr;

	err = fwg_check_allowedip(nest, attrs, change->extack);
	if (err)
		return err;
	family = nla_get_u16(attrs[FORKGUARD_ALLOWEDIP_A_FAMILY]);
	addr = nla_data(attrs[FORKGUARD_ALLOWEDIP_A_IPADDR]);
	cidr = nla_get_u8(attrs[FORKGUARD_ALLOWEDIP_A_CIDR_MASK]);
	remove = fwg_flags_of(attrs[FORKGUARD_ALLOWEDIP_A_FLAGS]) & FORKGUARD_ALLOWEDIP_F_REMOVE_ME;

	if (!peer && !remove)
		err = fwg_allowedips_reserve(ips, family, addr, cidr, &change->ips);
	else if (peer && remove)
		fwg_allowedips_take(ips, family, addr, cidr, peer, &change->ips);
	else if (peer)
		fwg_allowedips_give(ips, family, addr, cidr, peer, &peer->allowed);
	if (err)
		NL_SET_BAD_ATTR(change->extack, nest);
	return err;
}

static int fwg_set_allowedips(struct fwg_change *change, struct fwg_peer *peer,
			      const struct nlattr *nest)
{
	const struct nlattr *ip;
	int err = 0, rem;

	if (!nest)
		return 0;
	nla_for_each_nested(ip, nest, rem) {
		err = fwg_set_allowedip(change, peer, ip);
		if (err)
			break;
	}
	return err;
}

/* Returns true if this changed the key. */
static bool fwg_set_psk(struct fwg_peer *peer, const u8 *psk)
{
	u8 old[NOISE_SYMMETRIC_KEY_LEN];
	bool differs;

	fwg_noise_peer_psk(peer->noise, old);
	differs = crypto_memneq(old, psk, sizeof(old));
	memzero_explicit(old, sizeof(old));
	fwg_noise_peer_set_psk(peer->noise, psk);
	return differs;
}

/* Returns true if this changed the endpoint. */
static bool fwg_set_endpoint(struct fwg_peer *peer, const struct nlattr *attr)
{
	struct endpoint endpoint = {};
	bool differs;

	memcpy(&endpoint, nla_data(attr), nla_len(attr));
	if (endpoint.addr.sa_family == AF_INET)
		memset(endpoint.addr4.sin_zero, 0, sizeof(endpoint.addr4.sin_zero));
	else
		endpoint.addr6.sin6_flowinfo = 0;
	read_lock_bh(&peer->path.lock);
	differs = memcmp(&peer->path.endpoint.addr6, &endpoint.addr6, sizeof(endpoint.addr6));
	read_unlock_bh(&peer->path.lock);
	fwg_path_set(&peer->path, &endpoint);
	return differs;
}

static void fwg_set_keepalive(struct fwg_peer *peer, u16 interval)
{
	bool begin = interval && !peer->timers.keepalive_interval &&
		     netif_running(peer->device->dev);

	WRITE_ONCE(peer->timers.keepalive_interval, interval);
	if (begin)
		fwg_send_keepalive(peer);
}

static bool fwg_is_own_key(struct fwg_device *device, const u8 *public_key)
{
	u8 own_key[NOISE_PUBLIC_KEY_LEN];

	return fwg_noise_local_identity(device->noise, NULL, own_key) &&
	       !memcmp(public_key, own_key, sizeof(own_key));
}

static struct fwg_peer *fwg_publish_spare(struct fwg_change *change, const u8 *public_key)
{
	struct fwg_peer *peer;
	int err;

	/* They are in the order of the message, so it is usually the first. */
	list_for_each_entry(peer, &change->spare, aside) {
		if (memcmp(fwg_noise_peer_public_key(peer->noise), public_key,
			   NOISE_PUBLIC_KEY_LEN))
			continue;
		err = fwg_peer_publish(peer);
		if (err)
			return ERR_PTR(err);
		list_del(&peer->aside);
		return peer;
	}
	WARN_ON_ONCE(true);
	return ERR_PTR(-ENOENT);
}

static int fwg_set_peer(struct fwg_change *change, const struct nlattr *nest)
{
	struct nlattr *attrs[FORKGUARD_PEER_A_MAX + 1];
	struct fwg_device *device = change->device;
	const struct nlattr *psk, *keepalive;
	bool changed = false;
	struct fwg_peer *peer;
	const u8 *key;
	u32 flags;
	int err;

	err = fwg_check_peer(nest, attrs, change->extack);
	if (err)
		return err;
	flags = fwg_flags_of(attrs[FORKGUARD_PEER_A_FLAGS]);
	key = nla_data(attrs[FORKGUARD_PEER_A_PUBLIC_KEY]);
	psk = attrs[FORKGUARD_PEER_A_PRESHARED_KEY];

	peer = fwg_find_peer(device, key);
	if (!peer) {
		if (flags & (FORKGUARD_PEER_F_REMOVE_ME | FORKGUARD_PEER_F_UPDATE_ONLY) ||
		    fwg_is_own_key(device, key))
			return 0;
		/* It was created with its preshared key. */
		psk = NULL;
		peer = fwg_publish_spare(change, key);
		if (IS_ERR(peer)) {
			NL_SET_BAD_ATTR(change->extack, nest);
			return PTR_ERR(peer);
		}
	}
	if (flags & FORKGUARD_PEER_F_REMOVE_ME) {
		fwg_peer_unlink(peer, &change->ips, &change->removed);
		return 0;
	}
	if (psk)
		changed |= fwg_set_psk(peer, nla_data(psk));
	if (attrs[FORKGUARD_PEER_A_ENDPOINT])
		changed |= fwg_set_endpoint(peer, attrs[FORKGUARD_PEER_A_ENDPOINT]);
	if (flags & FORKGUARD_PEER_F_REPLACE_ALLOWEDIPS)
		list_splice_tail_init(&peer->allowed, &change->ips);
	err = fwg_set_allowedips(change, peer, attrs[FORKGUARD_PEER_A_ALLOWEDIPS]);
	if (err)
		return err;
	keepalive = attrs[FORKGUARD_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL];
	if (keepalive)
		fwg_set_keepalive(peer, nla_get_u16(keepalive));
	/*
	 * Packets that wait for a session may get one now, but not if nothing has changed:
	 * repeating a configuration must not keep handshakes with an absent peer going.
	 */
	if (changed && netif_running(device->dev))
		fwg_send_staged(peer);
	return 0;
}

/* Check a peer of the message, and allocate what it may need. */
static int fwg_prepare_peer(struct fwg_change *change, const struct nlattr *nest, bool *may_be_gone)
{
	struct nlattr *attrs[FORKGUARD_PEER_A_MAX + 1];
	const struct nlattr *psk;
	struct fwg_peer *peer;
	const u8 *key;
	u32 flags;
	int err;

	err = fwg_check_peer(nest, attrs, change->extack);
	if (err)
		return err;
	flags = fwg_flags_of(attrs[FORKGUARD_PEER_A_FLAGS]);
	key = nla_data(attrs[FORKGUARD_PEER_A_PUBLIC_KEY]);
	psk = attrs[FORKGUARD_PEER_A_PRESHARED_KEY];

	if (flags & FORKGUARD_PEER_F_REMOVE_ME) {
		*may_be_gone = true;
	} else if (!(flags & FORKGUARD_PEER_F_UPDATE_ONLY) &&
		   (*may_be_gone || !fwg_find_peer(change->device, key))) {
		peer = fwg_peer_create(change->device, key, psk ? nla_data(psk) : NULL);
		if (!peer) {
			NL_SET_BAD_ATTR(change->extack, nest);
			return -ENOMEM;
		}
		list_add_tail(&peer->aside, &change->spare);
		change->num_spare++;
	}
	return fwg_set_allowedips(change, NULL, attrs[FORKGUARD_PEER_A_ALLOWEDIPS]);
}

/* Check the message, and allocate what it may need. Nothing is changed yet. */
static int fwg_prepare_message(struct fwg_change *change, struct genl_info *info)
{
	const struct nlattr *peers = info->attrs[FORKGUARD_DEVICE_A_PEERS], *nest;
	bool replace = fwg_flags_of(info->attrs[FORKGUARD_DEVICE_A_FLAGS]) &
		       FORKGUARD_DEVICE_F_REPLACE_PEERS;
	unsigned int left = replace ? 0 : change->device->num_peers;
	bool may_be_gone = replace;
	int err, rem;

	if (!peers)
		return 0;
	nla_for_each_nested(nest, peers, rem) {
		err = fwg_prepare_peer(change, nest, &may_be_gone);
		if (err)
			return err;
		if (left + change->num_spare > MAX_PEERS_PER_DEVICE) {
			NL_SET_ERR_MSG_ATTR(change->extack, nest, "too many peers");
			return -ENOSPC;
		}
	}
	return 0;
}

/* The sockets stay in the namespace of creation, which the device may have left. */
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

static int fwg_apply_message(struct fwg_change *change, struct genl_info *info)
{
	struct fwg_device *device = change->device;
	struct nlattr **attrs = info->attrs;
	struct fwg_peer *peer, *next;
	const struct nlattr *nest;
	int err, rem;

	/* This may fail, so it comes first. */
	if (attrs[FORKGUARD_DEVICE_A_LISTEN_PORT]) {
		err = fwg_set_port(device, nla_get_u16(attrs[FORKGUARD_DEVICE_A_LISTEN_PORT]));
		if (err) {
			NL_SET_ERR_MSG_ATTR(info->extack, attrs[FORKGUARD_DEVICE_A_LISTEN_PORT],
					    "the port could not be opened");
			return err;
		}
	}
	device->config_seq++;
	if (attrs[FORKGUARD_DEVICE_A_FWMARK]) {
		WRITE_ONCE(device->sockets.fwmark, nla_get_u32(attrs[FORKGUARD_DEVICE_A_FWMARK]));
		list_for_each_entry(peer, &device->peers, list)
			fwg_path_clear_source(&peer->path);
	}
	if (fwg_flags_of(attrs[FORKGUARD_DEVICE_A_FLAGS]) & FORKGUARD_DEVICE_F_REPLACE_PEERS)
		list_for_each_entry_safe(peer, next, &device->peers, list)
			fwg_peer_unlink(peer, &change->ips, &change->removed);
	if (attrs[FORKGUARD_DEVICE_A_PRIVATE_KEY])
		fwg_set_private_key(change, nla_data(attrs[FORKGUARD_DEVICE_A_PRIVATE_KEY]));
	if (attrs[FORKGUARD_DEVICE_A_PEERS]) {
		nla_for_each_nested(nest, attrs[FORKGUARD_DEVICE_A_PEERS], rem) {
			err = fwg_set_peer(change, nest);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Free what was not needed, and remove what was replaced. */
static void fwg_finish_change(struct fwg_change *change)
{
	struct fwg_peer *peer, *next;

	fwg_allowedips_release(&change->device->allowedips, &change->ips);
	fwg_peer_finish_removal(&change->removed);
	list_for_each_entry_safe(peer, next, &change->spare, aside)
		fwg_peer_put(peer);
}

static int fwg_change_device(struct fwg_device *device, struct genl_info *info)
{
	struct fwg_change change = {
		.device = device,
		.extack = info->extack,
		.spare = LIST_HEAD_INIT(change.spare),
		.removed = LIST_HEAD_INIT(change.removed),
		.ips = LIST_HEAD_INIT(change.ips),
	};
	int err;

	rtnl_lock();
	mutex_lock(&device->lock);
	err = fwg_check_sockets(device, info);
	if (!err)
		err = fwg_prepare_message(&change, info);
	if (!err)
		err = fwg_apply_message(&change, info);
	fwg_finish_change(&change);
	mutex_unlock(&device->lock);
	rtnl_unlock();
	return err;
}

static void fwg_wipe(const struct nlattr *attr)
{
	if (attr)
		memzero_explicit(nla_data(attr), nla_len(attr));
}

/* The message is freed without being wiped, so no key may be left in it. */
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

/**
 * fwg_netlink_set_device() - handle FORKGUARD_CMD_SET_DEVICE
 * @skb: the message
 * @info: the same
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int fwg_netlink_set_device(struct sk_buff *skb, struct genl_info *info)
{
	struct fwg_device *device;
	int err;

	device = fwg_netlink_find_device(genl_info_net(info), info->attrs, info->extack);
	if (IS_ERR(device)) {
		err = PTR_ERR(device);
		goto out;
	}
	err = fwg_change_device(device, info);
	dev_put(device->dev);
out:
	fwg_wipe_message(info);
	return err;
}
