/* SPDX-License-Identifier: GPL-2.0 */
/* path: where a peer is, and how messages get there. */
#ifndef _FORKGUARD_PATH_H
#define _FORKGUARD_PATH_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <net/dst_cache.h>

/**
 * struct endpoint - where a peer is, and which of our addresses it talks to
 * @addr: its address; the family is 0 if it is unknown
 * @addr4: its address, if IPv4
 * @addr6: its address, if IPv6
 * @src4: our address to which it has sent, or 0 for any
 * @src_if4: the interface that received from it
 * @src6: our address to which it has sent, or 0 for any
 */
struct endpoint {
	union {
		struct sockaddr addr;
		struct sockaddr_in addr4;
		struct sockaddr_in6 addr6;
	};
	union {
		struct {
			struct in_addr src4;
			int src_if4;
		};
		struct in6_addr src6;
	};
};

/**
 * struct fwg_path - an endpoint and the route to it
 * @lock: guards all below
 * @endpoint: the endpoint
 * @route: to @endpoint
 */
struct fwg_path {
	rwlock_t lock; /* all below */
	struct endpoint endpoint;
	struct dst_cache route;
};

int __must_check fwg_path_init(struct fwg_path *path);
void fwg_path_destroy(struct fwg_path *path);
void fwg_path_set(struct fwg_path *path, const struct endpoint *endpoint);
const struct endpoint *fwg_path_get(struct fwg_path *path, struct endpoint *endpoint);
void fwg_path_set_first(struct fwg_path *path, const struct endpoint *endpoint);
void fwg_path_forget_route(struct fwg_path *path);
void fwg_path_clear_source(struct fwg_path *path);
int fwg_endpoint_from_skb(struct endpoint *endpoint, const struct sk_buff *skb);

#endif /* _FORKGUARD_PATH_H */
