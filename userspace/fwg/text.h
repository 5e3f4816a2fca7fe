/* SPDX-License-Identifier: GPL-2.0 */
/* Values as text, the same in every form of output. */
#ifndef FWG_TEXT_H
#define FWG_TEXT_H

#include <netdb.h>

#include "device.h"

#define ENDPOINT_TEXT_SIZE (NI_MAXHOST + sizeof("[]:65535"))
#define TAG_TEXT_SIZE (2 * FORKGUARD_GENERATION_TAG_LEN + 1)

/* Returns "(none)" if there is no endpoint. */
const char *endpoint_text(char text[ENDPOINT_TEXT_SIZE], const union endpoint *endpoint);

const char *address_text(char text[INET6_ADDRSTRLEN], const struct allowed_ip *ip);

const char *tag_text(char text[TAG_TEXT_SIZE], const struct generation *gen);

/* One word each, as in JSON: "acpi", "packet", "forced", "rx_replay" and so on. */
const char *source_word(uint32_t source);
const char *check_word(uint32_t check);
const char *cause_word(uint32_t cause);
const char *drop_word(uint32_t reason);

/* What they mean, for people. */
const char *source_text(uint32_t source);
const char *check_text(uint32_t check);

#endif
