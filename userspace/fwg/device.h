/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A forkguard interface, as the kernel describes it or as the user wants it:
 * plain data that the other files fill and read.
 */
#ifndef FWG_DEVICE_H
#define FWG_DEVICE_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/forkguard.h>

#include "key.h"

struct allowed_ip {
	struct allowed_ip *next;
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
	uint16_t family;
	uint8_t cidr;
	bool remove; /* set by the user only */
	unsigned int line; /* in the user's file */
};

union endpoint {
	struct sockaddr any; /* AF_UNSPEC if there is none */
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* struct __kernel_timespec of <linux/time_types.h>, whose size does not depend on time_t. */
struct moment {
	int64_t sec;
	int64_t nsec;
};

struct peer {
	struct peer *next;
	uint8_t public_key[KEY_LEN];
	uint8_t preshared_key[KEY_LEN];
	bool has_public_key; /* set by the user only */
	unsigned int line; /* in the user's file */
	bool has_preshared_key;
	bool has_persistent_keepalive;
	bool replace_allowed_ips;
	bool has_signs; /* before allowed IPs, which then change the list, not replace it */
	bool remove;
	uint16_t persistent_keepalive;
	union endpoint endpoint;
	struct moment latest_handshake;
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	struct allowed_ip *allowed_ips;
	struct allowed_ip *last_allowed_ip;
};

struct generation {
	uint32_t source;
	uint32_t check;
	uint64_t forks;
	bool has_tag;
	uint8_t tag[FORKGUARD_GENERATION_TAG_LEN];
};

struct reset {
	uint32_t cause;
	struct moment time;
};

/* All zeros means that nothing is known or wanted. */
struct device {
	char name[IFNAMSIZ];
	uint8_t private_key[KEY_LEN];
	uint8_t public_key[KEY_LEN];
	bool has_private_key;
	bool has_public_key;
	bool has_listen_port;
	bool has_fwmark;
	bool replace_peers;
	uint16_t listen_port;
	uint32_t fwmark;
	unsigned int listen_port_line; /* in the user's file */
	unsigned int fwmark_line;
	struct generation generation;
	uint64_t resets;
	struct reset last_reset;
	bool has_drops;
	uint64_t drops[FORKGUARD_DROP_A_MAX + 1]; /* by enum forkguard_drop */
	struct peer *peers;
	struct peer *last_peer;
};

/* Wipes @dev and all that it owns, and frees the latter. */
void device_clear(struct device *dev);

/* Both append an empty element. They return NULL, after a message, if memory is short. */
struct peer *device_add_peer(struct device *dev);
struct allowed_ip *peer_add_allowed_ip(struct peer *peer);

#endif
