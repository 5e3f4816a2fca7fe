/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fields by which `fwg show INTERFACE FIELD` calls one setting, and their
 * script-readable form, which is that of `wg show` to the byte.
 */
#ifndef FWG_FIELD_H
#define FWG_FIELD_H

#include "device.h"

enum field {
	FIELD_ALL, /* not asked for one */
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
	FIELD_CONFIG, /* not one to ask for: what showconf prints */
};

/* FIELD_ALL when there is no such field. */
enum field field_by_name(const char *name);

/* @with_name: each line begins with the name of the interface. */
void field_print(const struct device *dev, enum field field, bool with_name);

#endif
