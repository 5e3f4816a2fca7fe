// SPDX-License-Identifier: GPL-2.0
/* Formats addresses, and names the constants of <linux/forkguard.h>. */
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

/* A newer kernel may use numbers that this program does not know. */
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
			"notifier: forks are detected late, and nonces may be reused until then",
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

const char *drop_word(uint32_t reason)
{
	static const char *const words[] = {
		[FORKGUARD_DROP_A_RX_MALFORMED] = "rx_malformed",
		[FORKGUARD_DROP_A_RX_UNKNOWN_SESSION] = "rx_unknown_session",
		[FORKGUARD_DROP_A_RX_STALE_SESSION] = "rx_stale_session",
		[FORKGUARD_DROP_A_RX_FORGED] = "rx_forged",
		[FORKGUARD_DROP_A_RX_REPLAY] = "rx_replay",
		[FORKGUARD_DROP_A_RX_WRONG_SOURCE] = "rx_wrong_source",
		[FORKGUARD_DROP_A_RX_NOT_IP] = "rx_not_ip",
		[FORKGUARD_DROP_A_RX_QUEUE_FULL] = "rx_queue_full",
		[FORKGUARD_DROP_A_RX_NO_MEMORY] = "rx_no_memory",
		[FORKGUARD_DROP_A_HS_QUEUE_FULL] = "hs_queue_full",
		[FORKGUARD_DROP_A_HS_BAD_MAC] = "hs_bad_mac",
		[FORKGUARD_DROP_A_HS_COOKIE_DEMANDED] = "hs_cookie_demanded",
		[FORKGUARD_DROP_A_HS_RATE_LIMITED] = "hs_rate_limited",
		[FORKGUARD_DROP_A_HS_REFUSED] = "hs_refused",
		[FORKGUARD_DROP_A_TX_NOT_IP] = "tx_not_ip",
		[FORKGUARD_DROP_A_TX_NO_PEER] = "tx_no_peer",
		[FORKGUARD_DROP_A_TX_NO_ENDPOINT] = "tx_no_endpoint",
		[FORKGUARD_DROP_A_TX_NO_ROUTE] = "tx_no_route",
		[FORKGUARD_DROP_A_TX_LOOP] = "tx_loop",
		[FORKGUARD_DROP_A_TX_QUEUE_FULL] = "tx_queue_full",
		[FORKGUARD_DROP_A_TX_NO_SESSION] = "tx_no_session",
		[FORKGUARD_DROP_A_TX_FORKED] = "tx_forked",
		[FORKGUARD_DROP_A_TX_NO_MEMORY] = "tx_no_memory",
	};

	return WORD(words, reason);
}
