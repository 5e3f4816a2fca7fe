/* SPDX-License-Identifier: GPL-2.0 */
/* Finds the UDP payload in a captured frame. */
#ifndef FWG_AUDIT_PACKET_H
#define FWG_AUDIT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fate of a packet. From FRAGMENT on, it may hold a message that can't be judged. */
enum fate {
	CARRIES,
	OTHER,
	FILTERED, /* the filter does not match it */
	TUNNELED, /* in a tunnel, which is not examined */
	FRAGMENT,
	CUT,
	MALFORMED,
	UNKNOWN_LINK,
	FATES,
};

/* A string of @len bytes; the capture has the first @have of them. */
struct view {
	const uint8_t *p;
	size_t have, len;
};

/* Points into the frame. */
struct endpoint {
	const uint8_t *address;
	size_t len;
	uint16_t port;
};

struct datagram {
	struct endpoint from, to;
	struct view payload;
};

bool packet_link_known(int link);
enum fate packet_datagram(int link, struct view frame, struct datagram *d);
bool packet_is_encapsulation(const struct datagram *d);

#endif
