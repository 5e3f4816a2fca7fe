// SPDX-License-Identifier: GPL-2.0
/*
 * inbound: opened packets on their way to the network stack.
 *
 * A packet joins the queue of the CPU that has opened it, and NAPI hands it on
 * with GRO: packets of one flow stay in order, and CPUs don't wait for each other.
 * With threaded NAPI, or after CPU hotplug, another CPU may poll a queue while its
 * own CPU fills it. So each queue has a lock; gro_cells has none.
 */

#include "inbound.h"

#include <linux/netdevice.h>
#include <linux/percpu.h>

/**
 * struct fwg_inbound_queue - the packets of one CPU
 * @arrived: new packets, bounded; adding and polling take its lock
 * @taken: moved here from @arrived, to be handed on; used by the poll alone
 * @napi: polls the queue
 */
struct fwg_inbound_queue {
	struct sk_buff_head arrived;
	struct sk_buff_head taken;
	struct napi_struct napi;
};

static struct sk_buff *fwg_inbound_next(struct fwg_inbound_queue *queue)
{
	if (skb_queue_empty(&queue->taken)) {
		spin_lock(&queue->arrived.lock);
		skb_queue_splice_init(&queue->arrived, &queue->taken);
		spin_unlock(&queue->arrived.lock);
	}
	return __skb_dequeue(&queue->taken);
}

static int fwg_inbound_poll(struct napi_struct *napi, int budget)
{
	struct fwg_inbound_queue *queue = container_of(napi, struct fwg_inbound_queue, napi);
	struct sk_buff *skb;
	int done = 0;

	while (done < budget) {
		skb = fwg_inbound_next(queue);
		if (!skb)
			break;
		napi_gro_receive(napi, skb);
		done++;
	}
	/* A packet added from here on schedules another poll; one added before may not. */
	if (done < budget && napi_complete_done(napi, done) &&
	    unlikely(!skb_queue_empty_lockless(&queue->arrived)))
		napi_schedule(napi);
	return done;
}

/**
 * fwg_inbound_init() - create the queues, closed
 * @inbound: the queues
 * @dev: their interface
 *
 * Context: process; the rtnl is held.
 * Return: 0 or -ENOMEM.
 */
int fwg_inbound_init(struct fwg_inbound *inbound, struct net_device *dev)
{
	struct fwg_inbound_queue *queue;
	int cpu;

	inbound->queues = alloc_percpu(struct fwg_inbound_queue);
	if (!inbound->queues)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		queue = per_cpu_ptr(inbound->queues, cpu);
		skb_queue_head_init(&queue->arrived);
		__skb_queue_head_init(&queue->taken);
		/* There is no hardware that a socket could busy-poll. */
		set_bit(NAPI_STATE_NO_BUSY_POLL, &queue->napi.state);
		netif_napi_add(dev, &queue->napi, fwg_inbound_poll);
	}
	return 0;
}

/**
 * fwg_inbound_destroy() - free the queues
 * @inbound: the queues; closed
 *
 * Context: process. Waits for a grace period.
 */
void fwg_inbound_destroy(struct fwg_inbound *inbound)
{
	int cpu;

	for_each_possible_cpu(cpu)
		__netif_napi_del(&per_cpu_ptr(inbound->queues, cpu)->napi);
	/* netpoll may be looking at the interface's list of NAPI instances. */
	synchronize_net();
	free_percpu(inbound->queues);
}

/**
 * fwg_inbound_open() - start handing packets on
 * @inbound: the queues
 *
 * Context: process; the rtnl is held.
 */
void fwg_inbound_open(struct fwg_inbound *inbound)
{
	int cpu;

	for_each_possible_cpu(cpu)
		napi_enable(&per_cpu_ptr(inbound->queues, cpu)->napi);
}

/**
 * fwg_inbound_close() - stop handing packets on
 * @inbound: the queues; nothing is added to them any more
 *
 * Context: process; the rtnl is held.
 */
void fwg_inbound_close(struct fwg_inbound *inbound)
{
	struct fwg_inbound_queue *queue;
	int cpu;

	for_each_possible_cpu(cpu) {
		queue = per_cpu_ptr(inbound->queues, cpu);
		napi_disable(&queue->napi);
		__skb_queue_purge(&queue->arrived);
		__skb_queue_purge(&queue->taken);
	}
}

/**
 * fwg_inbound_add() - hand a packet to the stack
 * @inbound: the queues
 * @skb: the packet; consumed when true is returned
 *
 * Context: BHs disabled, or softirq.
 * Return: false if too many packets wait.
 */
bool fwg_inbound_add(struct fwg_inbound *inbound, struct sk_buff *skb)
{
	struct fwg_inbound_queue *queue = this_cpu_ptr(inbound->queues);
	bool room;

	spin_lock(&queue->arrived.lock);
	room = skb_queue_len(&queue->arrived) < MAX_INBOUND_PACKETS;
	if (likely(room))
		__skb_queue_tail(&queue->arrived, skb);
	spin_unlock(&queue->arrived.lock);
	napi_schedule(&queue->napi);
	return room;
}

#ifdef FORKGUARD_KUNIT
#include "inbound_test.c"
#endif
