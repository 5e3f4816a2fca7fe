// SPDX-License-Identifier: GPL-2.0
/* Resolves names of services and hosts. */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "complain.h"
#include "resolve.h"

#define DEFAULT_RETRIES 15

bool resolve_port(const char *text, uint16_t *port)
{
	const struct servent *service;
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (end == text || *end) {
		service = getservbyname(text, "udp");
		if (service)
			*port = ntohs(service->s_port);
		return service;
	}
	if (errno || number > UINT16_MAX)
		return false;
	*port = number;
	return true;
}

/* The number of retries: LONG_MAX for infinity; -1 after a message. */
static long read_retries(void)
{
	const char *text = getenv("WG_ENDPOINT_RESOLUTION_RETRIES");
	unsigned long number;
	char *end;

	if (!text)
		return DEFAULT_RETRIES;
	if (!strcmp(text, "infinity"))
		return LONG_MAX;
	number = strtoul(text, &end, 10);
	if (*end || number > INT_MAX) {
		complain("Unable to parse WG_ENDPOINT_RESOLUTION_RETRIES: `%s'", text);
		return -1;
	}
	return number;
}

static bool is_permanent(int error)
{
	return error == EAI_NONAME || error == EAI_FAIL || error == EAI_NODATA;
}

static const char *reason(int error)
{
	return error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
}

/* The first address of @host. Messages name @text, as the user wrote it. */
static struct addrinfo *look_up(const char *host, const char *text)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_protocol = IPPROTO_UDP,
	};
	long retries = read_retries();
	unsigned int us = 1000000;
	struct addrinfo *found;

	if (retries < 0)
		return NULL;
	for (;;) {
		int error = getaddrinfo(host, NULL, &hints, &found);
		struct timespec pause = { us / 1000000, us % 1000000 * 1000 };

		if (!error)
			return found;
		if (is_permanent(error) || !retries--) {
			complain("%s: `%s'", reason(error), text);
			return NULL;
		}
		complain("%s: `%s'. Trying again in %.2f seconds...", reason(error), text,
			 us / 1000000.0);
		nanosleep(&pause, NULL);
		us = us * 6 / 5 < 20000000 ? us * 6 / 5 : 20000000;
	}
}

/* Splits @text, HOST:PORT or [HOST]:PORT. Returns what is wrong with it, or NULL. */
static const char *split(char *text, char **host, char **port)
{
	const bool in_brackets = *text == '[';
	char *end = in_brackets ? strchr(text, ']') : strrchr(text, ':');

	if (in_brackets && !end)
		return "Unable to find matching brace of endpoint";
	*host = text + in_brackets;
	if (in_brackets)
		*end++ = '\0';
	if (!end || *end != ':' || !end[1])
		return "Unable to find port of endpoint";
	*end = '\0';
	*port = end + 1;
	return NULL;
}

static int resolve(char *copy, const char *text, union endpoint *endpoint)
{
	struct addrinfo *found;
	char *host, *name;
	const char *wrong;
	uint16_t port;

	wrong = split(copy, &host, &name);
	if (!wrong && !resolve_port(name, &port))
		wrong = "Port of endpoint is neither 0-65535 nor a service name";
	if (wrong) {
		complain("%s: `%s'", wrong, text);
		return -1;
	}
	found = look_up(host, text);
	if (!found)
		return -1;
	memset(endpoint, 0, sizeof(*endpoint));
	memcpy(endpoint, found->ai_addr,
	       found->ai_addrlen < sizeof(*endpoint) ? found->ai_addrlen : sizeof(*endpoint));
	freeaddrinfo(found);
	/* The port is at the same offset in both kinds of address. */
	endpoint->v4.sin_port = htons(port);
	return 0;
}

int resolve_endpoint(const char *text, union endpoint *endpoint)
{
	char *copy = strdup(text);
	int ret;

	if (!copy) {
		warn("Unable to parse an endpoint");
		return -1;
	}
	ret = resolve(copy, text, endpoint);
	free(copy);
	return ret;
}
