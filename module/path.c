// SPDX-License-Identifier: GPL-2.0
/* path: see path.h. */

#include "path.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/ipv6.h>

/**
 * fwg_path_init() - initialize a path without an endpoint
 * @path: the path
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int fwg_path_init(struct fwg_path *path)
{
	memset(&path->endpoint, 0, sizeof(path->endpoint));
	rwlock_init(&path->lock);
	return dst_cache_init(&path->route, GFP_KERNEL_ACCOUNT);
}

/**
 * fwg_path_destroy() - free what a path holds
 * @path: the path
 *
 * Context: any but hard interrupts.
 */
void fwg_path_destroy(struct fwg_path *path)
{
	dst_cache_destroy(&path->route);
}

/**
 * fwg_path_get() - get the endpoint of a peer
 * @path: the path to the peer
 * @endpoint: filled in
 *
 * Context: any but hard interrupts; the lock on @path is not held.
 * Return: @endpoint.
 */
const struct endpoint *fwg_path_get(struct fwg_path *path, struct endpoint *endpoint)
{
	read_lock_bh(&path->lock);
	*endpoint = path->endpoint;
	read_unlock_bh(&path->lock);
	return endpoint;
}

/**
 * fwg_path_set() - set the endpoint of a peer
 * @path: the path to the peer
 * @endpoint: the endpoint; padding is zero
 *
 * Context: any but hard interrupts.
 */
void fwg_path_set(struct fwg_path *path, const struct endpoint *endpoint)
{
	/* Usually it has not moved. If a torn read misses a change, the next message sets it. */
	if (likely(!data_race(memcmp(&path->endpoint, endpoint, sizeof(*endpoint)))))
		return;

	write_lock_bh(&path->lock);
	path->endpoint = *endpoint;
	dst_cache_reset_now(&path->route);
	write_unlock_bh(&path->lock);
}

/**
 * fwg_path_set_first() - set the endpoint of a peer unless one is known
 * @path: the path to the peer
 * @endpoint: where the peer seems to be
 *
 * Context: any but hard interrupts.
 */
void fwg_path_set_first(struct fwg_path *path, const struct endpoint *endpoint)
{
	write_lock_bh(&path->lock);
	if (!path->endpoint.addr.sa_family)
		path->endpoint = *endpoint;
	write_unlock_bh(&path->lock);
}

/**
 * fwg_path_forget_route() - drop the cached route
 * @path: the path
 *
 * It must not outlive the namespace of the sockets.
 *
 * Context: any but hard interrupts.
 */
void fwg_path_forget_route(struct fwg_path *path)
{
	write_lock_bh(&path->lock);
	dst_cache_reset_now(&path->route);
	write_unlock_bh(&path->lock);
}

/**
 * fwg_path_clear_source() - let routing choose our source address
 * @path: the path
 *
 * Context: any but hard interrupts.
 */
void fwg_path_clear_source(struct fwg_path *path)
{
	write_lock_bh(&path->lock);
	memset(&path->endpoint.src6, 0, sizeof(path->endpoint.src6));
	dst_cache_reset_now(&path->route);
	write_unlock_bh(&path->lock);
}

/**
 * fwg_endpoint_from_skb() - get the endpoint that a message comes from
 * @endpoint: filled in
 * @skb: the message, with outer network and transport headers
 *
 * Return: 0 or -EINVAL.
 */
int fwg_endpoint_from_skb(struct endpoint *endpoint, const struct sk_buff *skb)
{
	memset(endpoint, 0, sizeof(*endpoint));
	if (skb->protocol == htons(ETH_P_IP)) {
		endpoint->addr4.sin_family = AF_INET;
		endpoint->addr4.sin_port = udp_hdr(skb)->source;
		endpoint->addr4.sin_addr.s_addr = ip_hdr(skb)->saddr;
		endpoint->src4.s_addr = ip_hdr(skb)->daddr;
		endpoint->src_if4 = skb->skb_iif;
		return 0;
	}
	if (IS_ENABLED(CONFIG_IPV6) && skb->protocol == htons(ETH_P_IPV6)) {
		endpoint->addr6.sin6_family = AF_INET6;
		endpoint->addr6.sin6_port = udp_hdr(skb)->source;
		endpoint->addr6.sin6_addr = ipv6_hdr(skb)->saddr;
		endpoint->addr6.sin6_scope_id =
			ipv6_iface_scope_id(&ipv6_hdr(skb)->saddr, skb->skb_iif);
		endpoint->src6 = ipv6_hdr(skb)->daddr;
		return 0;
	}
	return -EINVAL;
}
