// SPDX-License-Identifier: GPL-2.0
/* Writes forkguard's netlink attributes, in several messages if necessary. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include <linux/forkguard.h>

#include "encode.h"
#include "text.h"

#define ATTR(len) (MNL_ATTR_HDRLEN + MNL_ALIGN(len))

/* The maximum size of an allowed IP. */
#define ALLOWED_IP_ROOM                                                     \
	(ATTR(0) + ATTR(sizeof(uint16_t)) + ATTR(sizeof(struct in6_addr)) + \
	 ATTR(sizeof(uint8_t)) + ATTR(sizeof(uint32_t)))

/* The maximum size of a peer with its first allowed IP. */
#define PEER_ROOM                                               \
	(ATTR(0) + 2 * ATTR(KEY_LEN) + ATTR(sizeof(uint32_t)) + \
	 ATTR(sizeof(struct sockaddr_in6)) + ATTR(sizeof(uint16_t)) + ATTR(0) + ALLOWED_IP_ROOM)

/* Is enc->asked in the part written since @start, and does enc->word not name it yet? */
static bool is_asked(const struct encoder *enc, const struct nlmsghdr *nlh, size_t start)
{
	return enc->asked >= start && enc->asked < nlh->nlmsg_len && !enc->word[0];
}

static void __attribute__((format(printf, 3, 4)))
name(struct encoder *enc, unsigned int line, const char *format, ...)
{
	va_list arguments;

	enc->line = line;
	va_start(arguments, format);
	vsnprintf(enc->word, sizeof(enc->word), format, arguments);
	va_end(arguments);
}

static void put_allowed_ip(struct encoder *enc, struct nlmsghdr *nlh)
{
	const struct allowed_ip *ip = enc->ip;
	const size_t start = nlh->nlmsg_len;
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0);
	char address[INET6_ADDRSTRLEN];

	mnl_attr_put_u16(nlh, FORKGUARD_ALLOWEDIP_A_FAMILY, ip->family);
	if (ip->family == AF_INET)
		mnl_attr_put(nlh, FORKGUARD_ALLOWEDIP_A_IPADDR, sizeof(ip->v4), &ip->v4);
	else
		mnl_attr_put(nlh, FORKGUARD_ALLOWEDIP_A_IPADDR, sizeof(ip->v6), &ip->v6);
	mnl_attr_put_u8(nlh, FORKGUARD_ALLOWEDIP_A_CIDR_MASK, ip->cidr);
	if (ip->remove)
		mnl_attr_put_u32(nlh, FORKGUARD_ALLOWEDIP_A_FLAGS, FORKGUARD_ALLOWEDIP_F_REMOVE_ME);
	mnl_attr_nest_end(nlh, nest);
	if (is_asked(enc, nlh, start))
		name(enc, ip->line, "%s/%u", address_text(address, ip), ip->cidr);
}

static void put_settings(struct nlmsghdr *nlh, const struct peer *peer)
{
	if (peer->has_preshared_key)
		mnl_attr_put(nlh, FORKGUARD_PEER_A_PRESHARED_KEY, KEY_LEN, peer->preshared_key);
	if (peer->endpoint.any.sa_family == AF_INET)
		mnl_attr_put(nlh, FORKGUARD_PEER_A_ENDPOINT, sizeof(peer->endpoint.v4),
			     &peer->endpoint.v4);
	if (peer->endpoint.any.sa_family == AF_INET6)
		mnl_attr_put(nlh, FORKGUARD_PEER_A_ENDPOINT, sizeof(peer->endpoint.v6),
			     &peer->endpoint.v6);
	if (peer->has_persistent_keepalive)
		mnl_attr_put_u16(nlh, FORKGUARD_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
				 peer->persistent_keepalive);
}

/* Writes enc->peer, or as much of it as fits. Returns true when all of it is written. */
static bool put_peer(struct encoder *enc, struct nlmsghdr *nlh, size_t room)
{
	const struct peer *peer = enc->peer;
	const size_t start = nlh->nlmsg_len;
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0);
	struct nlattr *ips;
	char key[KEY_TEXT_SIZE];
	uint32_t flags = 0;

	mnl_attr_put(nlh, FORKGUARD_PEER_A_PUBLIC_KEY, KEY_LEN, peer->public_key);
	if (enc->inside_peer) {
		/* Do not add it again if it was removed between two messages. */
		flags = FORKGUARD_PEER_F_UPDATE_ONLY;
	} else if (peer->remove) {
		flags = FORKGUARD_PEER_F_REMOVE_ME;
	} else {
		if (peer->replace_allowed_ips)
			flags = FORKGUARD_PEER_F_REPLACE_ALLOWEDIPS;
		put_settings(nlh, peer);
		enc->ip = peer->allowed_ips;
	}
	if (flags)
		mnl_attr_put_u32(nlh, FORKGUARD_PEER_A_FLAGS, flags);
	if (enc->ip) {
		ips = mnl_attr_nest_start(nlh, FORKGUARD_PEER_A_ALLOWEDIPS);
		do {
			put_allowed_ip(enc, nlh);
			enc->ip = enc->ip->next;
		} while (enc->ip && room - nlh->nlmsg_len >= ALLOWED_IP_ROOM);
		mnl_attr_nest_end(nlh, ips);
	}
	mnl_attr_nest_end(nlh, nest);
	if (is_asked(enc, nlh, start)) {
		key_to_text(key, peer->public_key);
		name(enc, peer->line, "%s", key);
	}
	enc->inside_peer = enc->ip;
	return !enc->inside_peer;
}

static void put_interface(struct encoder *enc, struct nlmsghdr *nlh, const struct device *dev)
{
	size_t start;

	if (dev->has_private_key)
		mnl_attr_put(nlh, FORKGUARD_DEVICE_A_PRIVATE_KEY, KEY_LEN, dev->private_key);
	start = nlh->nlmsg_len;
	if (dev->has_listen_port)
		mnl_attr_put_u16(nlh, FORKGUARD_DEVICE_A_LISTEN_PORT, dev->listen_port);
	if (is_asked(enc, nlh, start))
		name(enc, dev->listen_port_line, "%u", dev->listen_port);
	start = nlh->nlmsg_len;
	if (dev->has_fwmark)
		mnl_attr_put_u32(nlh, FORKGUARD_DEVICE_A_FWMARK, dev->fwmark);
	if (is_asked(enc, nlh, start))
		name(enc, dev->fwmark_line, "0x%" PRIx32, dev->fwmark);
	if (dev->replace_peers)
		mnl_attr_put_u32(nlh, FORKGUARD_DEVICE_A_FLAGS, FORKGUARD_DEVICE_F_REPLACE_PEERS);
}

bool encode_device(struct encoder *enc, const struct device *dev, struct nlmsghdr *nlh, size_t room)
{
	struct nlattr *nest;

	mnl_attr_put_strz(nlh, FORKGUARD_DEVICE_A_IFNAME, dev->name);
	if (!enc->begun) {
		put_interface(enc, nlh, dev);
		enc->peer = dev->peers;
		enc->begun = true;
	}
	if (!enc->peer)
		return false;

	nest = mnl_attr_nest_start(nlh, FORKGUARD_DEVICE_A_PEERS);
	do {
		if (!put_peer(enc, nlh, room))
			break;
		enc->peer = enc->peer->next;
	} while (enc->peer && room - nlh->nlmsg_len >= PEER_ROOM);
	mnl_attr_nest_end(nlh, nest);
	return enc->peer;
}
