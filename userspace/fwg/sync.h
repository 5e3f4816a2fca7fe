/* SPDX-License-Identifier: GPL-2.0 */
/* What turns the peers that an interface has into those that it is to have. */
#ifndef FWG_SYNC_H
#define FWG_SYNC_H

#include "device.h"

/*
 * @dev wants its peers replaced; makes of that the differences from what the
 * kernel has. Returns 0, or -1 after a message.
 */
int sync_peers(struct device *dev);

#endif
