/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fields of `fwg show INTERFACE FIELD`. Their form for scripts is that of
 * `wg show`, byte for byte.
 */
#ifndef FWG_FIELD_H
#define FWG_FIELD_H

#include "device.h"

enum field {
	FIELD_ALL, /* no field was given */
	FIELD_PUBLIC_KEY,
	FIELD_PRIVATE_KEY,
	FIELD_LISTEN_PORT,
	FIELD_FWMARK,
	FIELD_PEERS,
	FIELD_PRESHARED_KEYS,
	FIELD_ENDPOINTS,
	FIELD_ALLOWED_IPS,
	FIELD_LATEST_HANDSHAKES,
	FIELD_TRANSFER,
	FIELD_PERSISTENT_KEEPALIVE,
	FIELD_DUMP,
	FIELD_CONFIG, /* for showconf only */
};

/* FIELD_ALL if there is no such field. */
enum field field_by_name(const char *name);

/* @with_name: begin each line with the name of the interface. */
void field_print(const struct device *dev, enum field field, bool with_name);

#endif
