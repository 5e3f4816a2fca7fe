/* SPDX-License-Identifier: GPL-2.0 */
/* From a captured frame to the UDP payload in it. */
#ifndef FWG_AUDIT_PACKET_H
#define FWG_AUDIT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What became of a packet. From FRAGMENT on: it may hold a message that cannot be judged. */
enum fate {
	CARRIES,
	OTHER,
	FILTERED, /* the filter does not match it */
	TUNNELED, /* in a tunnel that is not looked into */
	FRAGMENT,
	CUT,
	MALFORMED,
	UNKNOWN_LINK,
	FATES,
};

/* Bytes of which the capture has the first @have of @len. */
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
