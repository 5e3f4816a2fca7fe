/* SPDX-License-Identifier: GPL-2.0 */
/* inbound: opened packets on their way to the network stack. */
#ifndef _FORKGUARD_INBOUND_H
#define _FORKGUARD_INBOUND_H

#include <linux/types.h>

struct fwg_inbound_queue;
struct net_device;
struct sk_buff;

enum inbound_limit {
	MAX_INBOUND_PACKETS = 1024, /* for each CPU */
};

/**
 * struct fwg_inbound - the queues of an interface
 * @queues: one for each CPU
 */
struct fwg_inbound {
	struct fwg_inbound_queue __percpu *queues;
};

int __must_check fwg_inbound_init(struct fwg_inbound *inbound, struct net_device *dev);
void fwg_inbound_destroy(struct fwg_inbound *inbound);
void fwg_inbound_open(struct fwg_inbound *inbound);
void fwg_inbound_close(struct fwg_inbound *inbound);
bool __must_check fwg_inbound_add(struct fwg_inbound *inbound, struct sk_buff *skb);

#endif /* _FORKGUARD_INBOUND_H */
