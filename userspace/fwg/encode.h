/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a struct device to FORKGUARD_CMD_SET_DEVICE messages: as many as it
 * takes, since one holds some hundred allowed IPs and the user may have more.
 */
#ifndef FWG_ENCODE_H
#define FWG_ENCODE_H

#include <libmnl/libmnl.h>

#include "device.h"

/* How far the encoding has come; all zero at the beginning. */
struct encoder {
	bool begun;
	bool inside_peer; /* part of peer's allowed IPs went before */
	const struct peer *peer;
	const struct allowed_ip *ip;
	/* Where in the message something is to be named, or 0; and what is there. */
	size_t asked;
	char word[64];
	unsigned int line;
};

/* Fills one message of at most @room bytes; false when it is the last one. */
bool encode_device(struct encoder *enc, const struct device *dev, struct nlmsghdr *nlh,
		   size_t room);

#endif
