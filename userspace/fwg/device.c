// SPDX-License-Identifier: GPL-2.0
/* The lifetime of struct device and of its lists. */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

static void peer_free(struct peer *peer)
{
	struct allowed_ip *ip;

	while ((ip = peer->allowed_ips)) {
		peer->allowed_ips = ip->next;
		free(ip);
	}
	explicit_bzero(peer, sizeof(*peer));
	free(peer);
}

void device_clear(struct device *dev)
{
	struct peer *peer;

	while ((peer = dev->peers)) {
		dev->peers = peer->next;
		peer_free(peer);
	}
	explicit_bzero(dev, sizeof(*dev));
}

struct peer *device_add_peer(struct device *dev)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer) {
		warn("Unable to add a peer");
		return NULL;
	}
	if (dev->last_peer)
		dev->last_peer->next = peer;
	else
		dev->peers = peer;
	dev->last_peer = peer;
	return peer;
}

struct allowed_ip *peer_add_allowed_ip(struct peer *peer)
{
	struct allowed_ip *ip = calloc(1, sizeof(*ip));

	if (!ip) {
		warn("Unable to add an allowed IP");
		return NULL;
	}
	if (peer->last_allowed_ip)
		peer->last_allowed_ip->next = ip;
	else
		peer->allowed_ips = ip;
	peer->last_allowed_ip = ip;
	return ip;
}
