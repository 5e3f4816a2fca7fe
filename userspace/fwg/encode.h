/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Converts a struct device to FORKGUARD_CMD_SET_DEVICE messages. A message has
 * room for some hundreds of allowed IPs, so several may be needed.
 */
#ifndef FWG_ENCODE_H
#define FWG_ENCODE_H

#include <libmnl/libmnl.h>

#include "device.h"

/* The state between messages, all zero before the first. */
struct encoder {
	bool begun;
	bool inside_peer; /* some of its allowed IPs are in earlier messages */
	const struct peer *peer;
	const struct allowed_ip *ip;
	/* An offset in the message, or 0; then the word encoded there and its line in the file. */
	size_t asked;
	char word[64];
	unsigned int line;
};

/* Fills a message of at most @room bytes. Returns false if it is the last one. */
bool encode_device(struct encoder *enc, const struct device *dev, struct nlmsghdr *nlh,
		   size_t room);

#endif
