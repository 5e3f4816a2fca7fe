/* SPDX-License-Identifier: GPL-2.0 */
/* Ports and endpoints, by number or by name. */
#ifndef FWG_RESOLVE_H
#define FWG_RESOLVE_H

#include "device.h"

/* A number from 0 to 65535, or the name of a UDP service. */
bool resolve_port(const char *text, uint16_t *port);

/*
 * HOST:PORT or [HOST]:PORT. After a temporary error, the resolver is asked again
 * up to WG_ENDPOINT_RESOLUTION_RETRIES times. Returns 0, or -1 after a message.
 */
int resolve_endpoint(const char *text, union endpoint *endpoint);

#endif
