/* SPDX-License-Identifier: GPL-2.0 */
/* Converts attributes of forkguard's messages to the structs of device.h. */
#ifndef FWG_DECODE_H
#define FWG_DECODE_H

#include <libmnl/libmnl.h>

#include "device.h"

struct event {
	char name[IFNAMSIZ];
	struct generation generation;
	uint32_t cause;
	uint32_t peers;
	bool has_peer;
	uint8_t peer[KEY_LEN];
};

/*
 * Both return 0 or a negative errno, -EPROTO for a message that breaks the
 * contract of <linux/forkguard.h>.
 *
 * decode_device() adds one message of a dump to @dev. It merges a peer that is
 * continued from the message before.
 */
int decode_device(const struct nlmsghdr *nlh, struct device *dev);
int decode_event(const struct nlmsghdr *nlh, struct event *event);

#endif
