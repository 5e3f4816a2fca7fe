// SPDX-License-Identifier: GPL-2.0
/* Writes addresses, and names the numbers of <linux/forkguard.h>. */
#include <arpa/inet.h>
#include <stdio.h>

#include <linux/forkguard.h>
#include <sodium.h>

#include "text.h"

const char *endpoint_text(char text[ENDPOINT_TEXT_SIZE], const union endpoint *endpoint)
{
	const bool v6 = endpoint->any.sa_family == AF_INET6;
	char host[NI_MAXHOST], port[sizeof("65535")];

	if (endpoint->any.sa_family == AF_UNSPEC ||
	    getnameinfo(&endpoint->any, v6 ? sizeof(endpoint->v6) : sizeof(endpoint->v4), host,
			sizeof(host), port, sizeof(port),
			NI_DGRAM | NI_NUMERICHOST | NI_NUMERICSERV))
		return "(none)";
	snprintf(text, ENDPOINT_TEXT_SIZE, v6 ? "[%s]:%s" : "%s:%s", host, port);
	return text;
}

const char *address_text(char text[INET6_ADDRSTRLEN], const struct allowed_ip *ip)
{
	return inet_ntop(ip->family, &ip->v6, text, INET6_ADDRSTRLEN);
}

const char *tag_text(char text[TAG_TEXT_SIZE], const struct generation *gen)
{
	if (!gen->has_tag)
		return "(none)";
	return sodium_bin2hex(text, TAG_TEXT_SIZE, gen->tag, sizeof(gen->tag));
}

/* A newer kernel may know numbers that this program does not. */
#define WORD(table, number) \
	((number) < sizeof(table) / sizeof(*(table)) ? (table)[number] : "unknown")

const char *source_word(uint32_t source)
{
	static const char *const words[] = {
		[FORKGUARD_GENERATION_SOURCE_NONE] = "none",
		[FORKGUARD_GENERATION_SOURCE_ACPI] = "acpi",
	};

	return WORD(words, source);
}

const char *source_text(uint32_t source)
{
	static const char *const words[] = {
		[FORKGUARD_GENERATION_SOURCE_NONE] = "none",
		[FORKGUARD_GENERATION_SOURCE_ACPI] = "ACPI VM generation ID",
	};

	return WORD(words, source);
}

const char *check_word(uint32_t check)
{
	static const char *const words[] = {
		[FORKGUARD_GENERATION_CHECK_NONE] = "none",
		[FORKGUARD_GENERATION_CHECK_NOTIFIER] = "notifier",
		[FORKGUARD_GENERATION_CHECK_PACKET] = "packet",
	};

	return WORD(words, check);
}

const char *check_text(uint32_t check)
{
	static const char *const words[] = {
		[FORKGUARD_GENERATION_CHECK_NONE] = "none: forks are not detected at all",
		[FORKGUARD_GENERATION_CHECK_NOTIFIER] =
			"notifier: forks are detected late, nonces may be reused until then",
		[FORKGUARD_GENERATION_CHECK_PACKET] =
			"packet: forks are detected before anything is sent",
	};

	return WORD(words, check);
}

const char *cause_word(uint32_t cause)
{
	static const char *const words[] = {
		[FORKGUARD_RESET_CAUSE_NONE] = "none",
		[FORKGUARD_RESET_CAUSE_PACKET] = "packet",
		[FORKGUARD_RESET_CAUSE_NOTIFIER] = "notifier",
		[FORKGUARD_RESET_CAUSE_FORCED] = "forced",
		[FORKGUARD_RESET_CAUSE_SUSPEND] = "suspend",
	};

	return WORD(words, cause);
}
