/* SPDX-License-Identifier: GPL-2.0 */
/* Finds the changes from the peers of an interface to those of a file. */
#ifndef FWG_SYNC_H
#define FWG_SYNC_H

#include "device.h"

/*
 * @dev has all peers that the interface is to have. Reduces them to the differences
 * from the kernel's. Returns 0, or -1 after a message.
 */
int sync_peers(struct device *dev);

#endif
