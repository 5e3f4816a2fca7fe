// SPDX-License-Identifier: GPL-2.0
/* The oracles of configurations: the kernel gets all of it, and showconf shows all of it. */
#include "config_oracle.h"

#include <stdlib.h>
#include <string.h>

#include <linux/genetlink.h>

#include "../../userspace/fwg/commands.h"
#include "../../userspace/fwg/config.h"
#include "../../userspace/fwg/encode.h"
#include "../../userspace/fwg/netlink.h"
#include "config_world.h"
#include "harness.h"

/* The minimum room of a message: header, name, interface, one peer with one allowed IP. */
#define LEAST_ROOM (20 + 12 + 36 + 8 + 8 + 8 + 4 + 176)

static void expect_same_endpoint(const union endpoint *a, const union endpoint *b)
{
	EXPECT(a->any.sa_family == b->any.sa_family);
	EXPECT(a->v4.sin_port == b->v4.sin_port);
	if (a->any.sa_family == AF_INET)
		EXPECT(a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr);
	if (a->any.sa_family == AF_INET6) {
		EXPECT(!memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)));
		EXPECT(a->v6.sin6_scope_id == b->v6.sin6_scope_id);
	}
}

static void expect_same_ips(const struct allowed_ip *a, const struct allowed_ip *b)
{
	for (; a && b; a = a->next, b = b->next) {
		EXPECT(a->family == b->family && a->cidr == b->cidr && a->remove == b->remove);
		EXPECT(!memcmp(&a->v6, &b->v6,
			       a->family == AF_INET ? sizeof(a->v4) : sizeof(a->v6)));
	}
	EXPECT(!a && !b);
}

static void expect_same_peer(const struct peer *a, const struct peer *b)
{
	static const struct peer nothing;

	EXPECT(!memcmp(a->public_key, b->public_key, KEY_LEN));
	EXPECT(a->remove == b->remove);
	/* For a peer to be removed, nothing else is sent. */
	if (a->remove)
		a = &nothing;
	EXPECT(!memcmp(a->preshared_key, b->preshared_key, KEY_LEN));
	EXPECT(a->persistent_keepalive == b->persistent_keepalive);
	expect_same_endpoint(&a->endpoint, &b->endpoint);
	expect_same_ips(a->allowed_ips, b->allowed_ips);
}

/* Compares values; an absent value is zero. */
static void expect_same(const struct device *a, const struct device *b)
{
	const struct peer *p = a->peers, *q = b->peers;

	EXPECT(!memcmp(a->private_key, b->private_key, KEY_LEN));
	EXPECT(a->listen_port == b->listen_port);
	EXPECT(a->fwmark == b->fwmark);
	for (; p && q; p = p->next, q = q->next)
		expect_same_peer(p, q);
	EXPECT(!p && !q);
}

/* Also compares which values are set: unchanged values must be absent. */
static void expect_same_wishes(const struct device *a, const struct device *b)
{
	const struct peer *q = b->peers;

	expect_same(a, b);
	EXPECT(a->has_private_key == b->has_private_key);
	EXPECT(a->has_listen_port == b->has_listen_port);
	EXPECT(a->has_fwmark == b->has_fwmark);
	EXPECT(a->replace_peers == b->replace_peers);
	for (const struct peer *p = a->peers; p; p = p->next, q = q->next) {
		if (p->remove)
			continue;
		EXPECT(p->has_preshared_key == q->has_preshared_key);
		EXPECT(p->has_persistent_keepalive == q->has_persistent_keepalive);
		EXPECT(p->replace_allowed_ips == q->replace_allowed_ips);
	}
}

/*
 * The kernel's side: decodes SET_DEVICE as <linux/forkguard.h> describes it,
 * independently of decode.c, which does not know the attributes that are only set.
 */

struct table {
	const struct nlattr *attr[FORKGUARD_DEVICE_A_MAX + 1];
};

static int sort_in(const struct nlattr *attr, void *data)
{
	struct table *table = data;
	const uint16_t type = mnl_attr_get_type(attr);

	EXPECT(type <= FORKGUARD_DEVICE_A_MAX && !table->attr[type]);
	table->attr[type] = attr;
	return MNL_CB_OK;
}

static struct table table_of(const struct nlattr *nest)
{
	struct table table = { 0 };

	EXPECT(mnl_attr_parse_nested(nest, sort_in, &table) == MNL_CB_OK);
	return table;
}

/* Takes @type out of the table. Returns whether it was there. */
static bool take(struct table *table, unsigned int type, void *to, size_t len)
{
	const struct nlattr *attr = table->attr[type];

	if (!attr)
		return false;
	EXPECT(mnl_attr_get_payload_len(attr) == len);
	memcpy(to, mnl_attr_get_payload(attr), len);
	table->attr[type] = NULL;
	return true;
}

static void expect_empty(const struct table *table)
{
	for (size_t type = 0; type <= FORKGUARD_DEVICE_A_MAX; type++)
		EXPECT(!table->attr[type]);
}

static void hear_ip(struct peer *peer, const struct nlattr *nest)
{
	struct allowed_ip *ip = peer_add_allowed_ip(peer);
	struct table table = table_of(nest);
	uint32_t flags = 0;

	if (take(&table, FORKGUARD_ALLOWEDIP_A_FLAGS, &flags, sizeof(flags)))
		EXPECT(flags == FORKGUARD_ALLOWEDIP_F_REMOVE_ME);
	ip->remove = flags;
	EXPECT(take(&table, FORKGUARD_ALLOWEDIP_A_FAMILY, &ip->family, sizeof(ip->family)));
	EXPECT(ip->family == AF_INET || ip->family == AF_INET6);
	EXPECT(take(&table, FORKGUARD_ALLOWEDIP_A_IPADDR, &ip->v6,
		    ip->family == AF_INET ? sizeof(ip->v4) : sizeof(ip->v6)));
	EXPECT(take(&table, FORKGUARD_ALLOWEDIP_A_CIDR_MASK, &ip->cidr, sizeof(ip->cidr)));
	EXPECT(ip->cidr <= (ip->family == AF_INET ? 32 : 128));
	expect_empty(&table);
}

static void hear_endpoint(struct peer *peer, struct table *table)
{
	const struct nlattr *attr = table->attr[FORKGUARD_PEER_A_ENDPOINT];
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

	if (!attr)
		return;
	EXPECT(len <= sizeof(peer->endpoint));
	take(table, FORKGUARD_PEER_A_ENDPOINT, &peer->endpoint, len);
	if (peer->endpoint.any.sa_family == AF_INET)
		EXPECT(len == sizeof(peer->endpoint.v4));
	else
		EXPECT(peer->endpoint.any.sa_family == AF_INET6 && len == sizeof(peer->endpoint));
}

static void hear_peer(struct device *dev, const struct nlattr *nest)
{
	struct table table = table_of(nest);
	uint8_t key[KEY_LEN];
	const struct nlattr *ips, *ip;
	struct peer *peer;
	uint32_t flags = 0;

	EXPECT(take(&table, FORKGUARD_PEER_A_PUBLIC_KEY, key, KEY_LEN));
	if (take(&table, FORKGUARD_PEER_A_FLAGS, &flags, sizeof(flags)))
		EXPECT(flags == FORKGUARD_PEER_F_REMOVE_ME ||
		       flags == FORKGUARD_PEER_F_REPLACE_ALLOWEDIPS ||
		       flags == FORKGUARD_PEER_F_UPDATE_ONLY);
	ips = table.attr[FORKGUARD_PEER_A_ALLOWEDIPS];
	table.attr[FORKGUARD_PEER_A_ALLOWEDIPS] = NULL;
	if (flags == FORKGUARD_PEER_F_UPDATE_ONLY) {
		/* The message may only add allowed IPs to the peer before. */
		peer = dev->last_peer;
		EXPECT(peer && !memcmp(peer->public_key, key, KEY_LEN) && ips);
	} else {
		peer = device_add_peer(dev);
		memcpy(peer->public_key, key, KEY_LEN);
		peer->remove = flags == FORKGUARD_PEER_F_REMOVE_ME;
		peer->replace_allowed_ips = flags == FORKGUARD_PEER_F_REPLACE_ALLOWEDIPS;
		peer->has_preshared_key =
			take(&table, FORKGUARD_PEER_A_PRESHARED_KEY, peer->preshared_key, KEY_LEN);
		peer->has_persistent_keepalive =
			take(&table, FORKGUARD_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
			     &peer->persistent_keepalive, sizeof(peer->persistent_keepalive));
		hear_endpoint(peer, &table);
	}
	expect_empty(&table);
	if (ips)
		mnl_attr_for_each_nested(ip, ips)
			hear_ip(peer, ip);
}

static void hear(struct device *dev, const struct nlmsghdr *nlh)
{
	const bool first = !dev->name[0];
	const struct nlattr *name, *peers, *peer;
	struct table table = { 0 };
	uint32_t flags = 0;

	EXPECT(mnl_attr_parse(nlh, sizeof(struct genlmsghdr), sort_in, &table) == MNL_CB_OK);
	name = table.attr[FORKGUARD_DEVICE_A_IFNAME];
	table.attr[FORKGUARD_DEVICE_A_IFNAME] = NULL;
	EXPECT(name && !mnl_attr_validate(name, MNL_TYPE_NUL_STRING));
	strcpy(dev->name, mnl_attr_get_str(name));
	if (first) {
		dev->has_private_key =
			take(&table, FORKGUARD_DEVICE_A_PRIVATE_KEY, dev->private_key, KEY_LEN);
		dev->has_listen_port = take(&table, FORKGUARD_DEVICE_A_LISTEN_PORT,
					    &dev->listen_port, sizeof(dev->listen_port));
		dev->has_fwmark =
			take(&table, FORKGUARD_DEVICE_A_FWMARK, &dev->fwmark, sizeof(dev->fwmark));
		if (take(&table, FORKGUARD_DEVICE_A_FLAGS, &flags, sizeof(flags)))
			EXPECT(flags == FORKGUARD_DEVICE_F_REPLACE_PEERS);
		dev->replace_peers = flags;
	}
	peers = table.attr[FORKGUARD_DEVICE_A_PEERS];
	table.attr[FORKGUARD_DEVICE_A_PEERS] = NULL;
	expect_empty(&table);
	if (peers)
		mnl_attr_for_each_nested(peer, peers)
			hear_peer(dev, peer);
}

/* The messages that describe @dev, one after the other; free() them. */
static struct bytes told(const struct device *dev, size_t room)
{
	static uint8_t message[NETLINK_BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct encoder enc = { 0 };
	uint8_t *all = NULL;
	size_t len = 0;
	bool more;

	do {
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(message);

		nlh->nlmsg_type = WORLD_FAMILY;
		mnl_nlmsg_put_extra_header(nlh, sizeof(struct genlmsghdr));
		more = encode_device(&enc, dev, nlh, room);
		EXPECT(nlh->nlmsg_len <= room);
		all = realloc(all, len + nlh->nlmsg_len + NLMSG_HDRLEN);
		memcpy(all + len, message, nlh->nlmsg_len);
		len += nlh->nlmsg_len;
	} while (more);
	/* As the kernel ends a dump. */
	mnl_nlmsg_put_header(all + len)->nlmsg_type = NLMSG_DONE;
	return (struct bytes){ all, len + NLMSG_HDRLEN };
}

static void expect_heard(const struct device *dev, struct bytes messages)
{
	const struct nlmsghdr *nlh = (const void *)messages.p;
	struct device heard = { 0 };
	int left = messages.len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		if (nlh->nlmsg_type == WORLD_FAMILY)
			hear(&heard, nlh);
	EXPECT(!left);
	expect_same_wishes(dev, &heard);
	device_clear(&heard);
}

static bool takes_ips(const struct peer *peer)
{
	for (const struct allowed_ip *ip = peer->allowed_ips; ip; ip = ip->next)
		if (ip->remove)
			return true;
	return false;
}

/* Can a kernel have @dev? Not with things to be removed, nor with a peer twice in a row. */
static bool can_be(const struct device *dev)
{
	for (const struct peer *peer = dev->peers; peer; peer = peer->next)
		if (peer->remove || takes_ips(peer) ||
		    (peer->next && !memcmp(peer->public_key, peer->next->public_key, KEY_LEN)))
			return false;
	return true;
}

void expect_shown(const struct device *dev)
{
	const struct world before = world;
	struct device again = { 0 };
	char *text;

	caught_forget(&output);
	EXPECT(!cmd_showconf(2, (char *[]){ "showconf", "fwg0", NULL }));
	caught_text(&output);
	text = malloc(output.len);
	memcpy(text, output.text, output.len);
	world.file = (struct bytes){ (const uint8_t *)text, output.len };
	if (config_from_file(&again, "shown"))
		finding("setconf does not understand what showconf prints");
	expect_same(dev, &again);
	device_clear(&again);
	free(text);
	world = before;
}

static void expect_told(const struct device *dev, size_t room)
{
	const struct world before = world;
	const struct bytes messages = told(dev, room);

	expect_heard(dev, messages);
	if (can_be(dev)) {
		world = (struct world){ .answer = messages };
		expect_shown(dev);
		world = before;
	}
	free((void *)messages.p);
}

void expect_understood(const struct device *dev)
{
	struct device named = *dev;

	strcpy(named.name, "fwg0");
	expect_told(&named, NETLINK_BUFFER_SIZE);
	expect_told(&named, LEAST_ROOM);
}

void expect_complaint(bool failed)
{
	const char *text = caught_text(&complaints);

	if (failed)
		EXPECT(complaints.len);
	else
		EXPECT(!complaints.len || strstr(text, "Warning: "));
}
