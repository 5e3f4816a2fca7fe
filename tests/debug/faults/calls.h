/* SPDX-License-Identifier: GPL-2.0 */
/*
 * calls: included before each file of the module. It counts the calls that may fail, for lack of
 * memory or for another reason that is not a bug, and makes the one with the number fail_nth fail.
 * The context does not matter: a system call, a worker, a softirq.
 */
#ifndef _FORKGUARD_TEST_CALLS_H
#define _FORKGUARD_TEST_CALLS_H

#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/rhashtable.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <linux/workqueue.h>
#include <net/dst_cache.h>
#include <net/genetlink.h>
#include <net/ip_tunnels.h>
#include <net/ipv6_stubs.h>
#include <net/net_namespace.h>
#include <net/route.h>
#include <net/rtnetlink.h>
#include <net/udp_tunnel.h>

extern unsigned int forkguard_fail_nth; /* 0 for never; not atomic: there is only one CPU */

static inline bool fails_now(void)
{
	return forkguard_fail_nth && !--forkguard_fail_nth;
}

#define OR_FAIL(failure, call)                             \
	({                                                 \
		typeof(call) _result;                      \
		if (fails_now())                           \
			_result = (typeof(call))(failure); \
		else                                       \
			_result = call;                    \
		_result;                                   \
	})
#define OR_NULL(call) OR_FAIL(NULL, call)
#define OR_ERROR(call) OR_FAIL(-ENOMEM, call)
#define OR_ERR_PTR(call) OR_FAIL(ERR_PTR(-ENOMEM), call)

#define kzalloc(...) OR_NULL((kzalloc)(__VA_ARGS__))
#define __alloc_percpu(...) OR_NULL((__alloc_percpu)(__VA_ARGS__))
#define alloc_skb(...) OR_NULL((alloc_skb)(__VA_ARGS__))
#define genlmsg_new(...) OR_NULL((genlmsg_new)(__VA_ARGS__))
#define alloc_workqueue(...) OR_NULL((alloc_workqueue)(__VA_ARGS__))
#define skb_share_check(skb, gfp) OR_FAIL((kfree_skb(skb), NULL), (skb_share_check)(skb, gfp))
#define skb_gso_segment(...) OR_ERR_PTR((skb_gso_segment)(__VA_ARGS__))
#define skb_cow_data(...) OR_ERROR((skb_cow_data)(__VA_ARGS__))
#define skb_cow_head(...) OR_ERROR((skb_cow_head)(__VA_ARGS__))
#define skb_checksum_help(...) OR_ERROR((skb_checksum_help)(__VA_ARGS__))
#define skb_linearize(...) OR_ERROR((skb_linearize)(__VA_ARGS__))
#define skb_to_sgvec(...) OR_ERROR((skb_to_sgvec)(__VA_ARGS__))
#define pskb_trim(...) OR_ERROR((pskb_trim)(__VA_ARGS__))
#define pskb_may_pull(...) OR_FAIL(false, (pskb_may_pull)(__VA_ARGS__))
#define dst_cache_init(...) OR_ERROR((dst_cache_init)(__VA_ARGS__))
#define register_netdevice(...) OR_ERROR((register_netdevice)(__VA_ARGS__))
#define rhashtable_init(...) OR_ERROR((rhashtable_init)(__VA_ARGS__))
#define rhashtable_lookup_insert_fast(...) OR_ERROR((rhashtable_lookup_insert_fast)(__VA_ARGS__))
#define rhashtable_lookup_get_insert_fast(...) \
	OR_ERR_PTR((rhashtable_lookup_get_insert_fast)(__VA_ARGS__))
#define udp_sock_create(...) OR_ERROR((udp_sock_create)(__VA_ARGS__))
#define ip_route_output_flow(...) OR_ERR_PTR((ip_route_output_flow)(__VA_ARGS__))
#define genl_register_family(...) OR_ERROR((genl_register_family)(__VA_ARGS__))
#define register_pernet_subsys(...) OR_ERROR((register_pernet_subsys)(__VA_ARGS__))
#define rtnl_link_register(...) OR_ERROR((rtnl_link_register)(__VA_ARGS__))
#define register_pm_notifier(...) OR_ERROR((register_pm_notifier)(__VA_ARGS__))
#define register_random_vmfork_notifier(...) \
	OR_ERROR((register_random_vmfork_notifier)(__VA_ARGS__))

#endif /* _FORKGUARD_TEST_CALLS_H */
