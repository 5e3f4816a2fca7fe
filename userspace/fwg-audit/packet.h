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
	FRAGMENT,
	CUT,
	MALFORMED,
	FATES,
};

/* Bytes of which the capture has the first @have of @len. */
struct view {
	const uint8_t *p;
	size_t have, len;
};

bool packet_link_known(int link);
enum fate packet_payload(int link, struct view frame, struct view *payload);

#endif
