// SPDX-License-Identifier: GPL-2.0
/* Reads forkguard's netlink attributes. Each must have its exact size. */
#include <errno.h>
#include <string.h>

#include <linux/forkguard.h>
#include <linux/genetlink.h>

#include "decode.h"

static int get(const struct nlattr *attr, void *to, size_t len)
{
	if (mnl_attr_get_payload_len(attr) != len)
		return -EPROTO;
	memcpy(to, mnl_attr_get_payload(attr), len);
	return 0;
}

#define GET(attr, to) get(attr, to, sizeof(*(to)))

static int get_name(const struct nlattr *attr, char name[IFNAMSIZ])
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ||
	    mnl_attr_get_payload_len(attr) > IFNAMSIZ)
		return -EPROTO;
	strcpy(name, mnl_attr_get_str(attr));
	return 0;
}

static int get_endpoint(const struct nlattr *attr, union endpoint *endpoint)
{
	int ret = GET(attr, &endpoint->v4);

	if (!ret && endpoint->any.sa_family == AF_INET)
		return 0;
	ret = GET(attr, &endpoint->v6);
	if (!ret && endpoint->any.sa_family == AF_INET6)
		return 0;
	return -EPROTO;
}

static int get_allowed_ip(const struct nlattr *nest, struct allowed_ip *ip)
{
	const struct nlattr *attr, *address = NULL;
	int ret = 0;

	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case FORKGUARD_ALLOWEDIP_A_FAMILY:
			ret = GET(attr, &ip->family);
			break;
		case FORKGUARD_ALLOWEDIP_A_IPADDR:
			address = attr;
			break;
		case FORKGUARD_ALLOWEDIP_A_CIDR_MASK:
			ret = GET(attr, &ip->cidr);
			break;
		}
		if (ret)
			return ret;
	}
	if (!address)
		return -EPROTO;
	if (ip->family == AF_INET && ip->cidr <= 32)
		return GET(address, &ip->v4);
	if (ip->family == AF_INET6 && ip->cidr <= 128)
		return GET(address, &ip->v6);
	return -EPROTO;
}

static int get_allowed_ips(const struct nlattr *nest, struct peer *peer)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		struct allowed_ip *ip = peer_add_allowed_ip(peer);
		int ret = ip ? get_allowed_ip(attr, ip) : -ENOMEM;

		if (ret)
			return ret;
	}
	return 0;
}

static int get_peer_attribute(const struct nlattr *attr, struct peer *peer)
{
	int ret;

	switch (mnl_attr_get_type(attr)) {
	case FORKGUARD_PEER_A_PRESHARED_KEY:
		ret = GET(attr, &peer->preshared_key);
		peer->has_preshared_key = !key_is_zero(peer->preshared_key);
		return ret;
	case FORKGUARD_PEER_A_ENDPOINT:
		return get_endpoint(attr, &peer->endpoint);
	case FORKGUARD_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
		return GET(attr, &peer->persistent_keepalive);
	case FORKGUARD_PEER_A_LAST_HANDSHAKE_TIME:
		return GET(attr, &peer->latest_handshake);
	case FORKGUARD_PEER_A_RX_BYTES:
		return GET(attr, &peer->rx_bytes);
	case FORKGUARD_PEER_A_TX_BYTES:
		return GET(attr, &peer->tx_bytes);
	case FORKGUARD_PEER_A_ALLOWEDIPS:
		return get_allowed_ips(attr, peer);
	}
	return 0;
}

/* Adds the peer that @nest describes, unless it continues the last one. */
static int find_peer(const struct nlattr *nest, struct device *dev)
{
	uint8_t public_key[KEY_LEN];
	const struct nlattr *attr;
	int ret = -EPROTO;

	mnl_attr_for_each_nested(attr, nest)
		if (mnl_attr_get_type(attr) == FORKGUARD_PEER_A_PUBLIC_KEY)
			ret = GET(attr, &public_key);
	if (ret)
		return ret;
	if (dev->last_peer && key_equal(dev->last_peer->public_key, public_key))
		return 0;
	if (!device_add_peer(dev))
		return -ENOMEM;
	memcpy(dev->last_peer->public_key, public_key, KEY_LEN);
	return 0;
}

static int get_peers(const struct nlattr *nest, struct device *dev)
{
	const struct nlattr *attr, *inner;

	mnl_attr_for_each_nested(attr, nest) {
		int ret = find_peer(attr, dev);

		if (ret)
			return ret;
		mnl_attr_for_each_nested(inner, attr) {
			ret = get_peer_attribute(inner, dev->last_peer);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int get_generation(const struct nlattr *nest, struct generation *gen)
{
	const struct nlattr *attr;
	int ret = 0;

	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case FORKGUARD_GENERATION_A_SOURCE:
			ret = GET(attr, &gen->source);
			break;
		case FORKGUARD_GENERATION_A_CHECK:
			ret = GET(attr, &gen->check);
			break;
		case FORKGUARD_GENERATION_A_TAG:
			ret = GET(attr, &gen->tag);
			gen->has_tag = true;
			break;
		case FORKGUARD_GENERATION_A_FORKS:
			ret = GET(attr, &gen->forks);
			break;
		}
		if (ret)
			return ret;
	}
	return 0;
}

static int get_drops(const struct nlattr *nest, struct device *dev)
{
	const struct nlattr *attr;

	dev->has_drops = true;
	mnl_attr_for_each_nested(attr, nest) {
		const uint16_t reason = mnl_attr_get_type(attr);
		int ret = 0;

		if (reason != FORKGUARD_DROP_A_UNSPEC && reason <= FORKGUARD_DROP_A_MAX)
			ret = GET(attr, &dev->drops[reason]);
		if (ret)
			return ret;
	}
	return 0;
}

static int get_device_attribute(const struct nlattr *attr, struct device *dev)
{
	int ret;

	switch (mnl_attr_get_type(attr)) {
	case FORKGUARD_DEVICE_A_IFNAME:
		return get_name(attr, dev->name);
	case FORKGUARD_DEVICE_A_PRIVATE_KEY:
		ret = GET(attr, &dev->private_key);
		dev->has_private_key = !key_is_zero(dev->private_key);
		return ret;
	case FORKGUARD_DEVICE_A_PUBLIC_KEY:
		ret = GET(attr, &dev->public_key);
		dev->has_public_key = !key_is_zero(dev->public_key);
		return ret;
	case FORKGUARD_DEVICE_A_LISTEN_PORT:
		return GET(attr, &dev->listen_port);
	case FORKGUARD_DEVICE_A_FWMARK:
		return GET(attr, &dev->fwmark);
	case FORKGUARD_DEVICE_A_PEERS:
		return get_peers(attr, dev);
	case FORKGUARD_DEVICE_A_GENERATION:
		return get_generation(attr, &dev->generation);
	case FORKGUARD_DEVICE_A_RESETS:
		return GET(attr, &dev->resets);
	case FORKGUARD_DEVICE_A_RESET_CAUSE:
		return GET(attr, &dev->last_reset.cause);
	case FORKGUARD_DEVICE_A_RESET_TIME:
		return GET(attr, &dev->last_reset.time);
	case FORKGUARD_DEVICE_A_DROPS:
		return get_drops(attr, dev);
	}
	return 0;
}

int decode_device(const struct nlmsghdr *nlh, struct device *dev)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		int ret = get_device_attribute(attr, dev);

		if (ret)
			return ret;
	}
	return 0;
}

static int get_event_attribute(const struct nlattr *attr, struct event *event)
{
	switch (mnl_attr_get_type(attr)) {
	case FORKGUARD_DEVICE_A_IFNAME:
		return get_name(attr, event->name);
	case FORKGUARD_DEVICE_A_GENERATION:
		return get_generation(attr, &event->generation);
	case FORKGUARD_DEVICE_A_RESET_CAUSE:
		return GET(attr, &event->cause);
	case FORKGUARD_DEVICE_A_RESET_PEERS:
		return GET(attr, &event->peers);
	case FORKGUARD_DEVICE_A_PEER_KEY:
		event->has_peer = true;
		return GET(attr, &event->peer);
	}
	return 0;
}

int decode_event(const struct nlmsghdr *nlh, struct event *event)
{
	const struct nlattr *attr;

	memset(event, 0, sizeof(*event));
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		int ret = get_event_attribute(attr, event);

		if (ret)
			return ret;
	}
	return 0;
}
