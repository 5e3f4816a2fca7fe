// SPDX-License-Identifier: GPL-2.0
/*
 * A stream of numbered UDP datagrams, to detect losses, duplicates and late arrivals:
 *
 *	numbered send ADDRESS PORT COUNT RATE	to an IPv4 address, RATE a second
 *	numbered receive PORT COUNT SECONDS	until all have come, or none for so long
 *
 * The receiver goes into the background once it listens.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "program.h"

#define MAX_COUNT 1000000

/* The time-stamp counter makes the datagrams of clones differ. */
struct datagram {
	uint32_t number;
	uint32_t unused;
	uint64_t stamp;
	uint8_t more[112];
};

static int open_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		die("socket", strerror(errno));
	return fd;
}

static int send_all(char *words[])
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct datagram datagram = { 0 };
	unsigned long count, rate;
	int fd = open_socket();
	uint64_t start = now();

	if (inet_pton(AF_INET, words[0], &to.sin_addr) != 1)
		die("not an IPv4 address", words[0]);
	to.sin_port = htons(to_number(words[1], UINT16_MAX));
	count = to_number(words[2], MAX_COUNT);
	rate = to_number(words[3], 1000000);
	for (; datagram.number < count; datagram.number++) {
		wait_until(start + datagram.number * NS_PER_S / rate);
		datagram.stamp = __rdtsc();
		if (sendto(fd, &datagram, sizeof(datagram), 0, (void *)&to, sizeof(to)) < 0)
			die("sendto", strerror(errno));
	}
	return 0;
}

static int receive_all(char *words[])
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	unsigned long received = 0, repeated = 0, late = 0, count;
	struct timeval patience = { 0 };
	const char *comma = "";
	struct datagram datagram;
	uint32_t next = 0;
	int fd = open_socket();
	uint8_t *seen;

	from.sin_port = htons(to_number(words[0], UINT16_MAX));
	count = to_number(words[1], MAX_COUNT);
	patience.tv_sec = to_number(words[2], 10000);
	seen = calloc(count, 1);
	if (!seen || bind(fd, (void *)&from, sizeof(from)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		die("bind", strerror(errno));
	if (daemon(1, 1))
		die("daemon", strerror(errno));
	while (received < count && recv(fd, &datagram, sizeof(datagram), 0) == sizeof(datagram)) {
		if (datagram.number >= count)
			die("received", "a number too high");
		if (seen[datagram.number]++) {
			repeated++;
			continue;
		}
		received++;
		if (datagram.number < next)
			late++;
		else
			next = datagram.number + 1;
	}
	printf("{\"received\": %lu, \"repeated\": %lu, \"late\": %lu, \"lost\": [", received,
	       repeated, late);
	for (next = 0; received < count && next < count; next++)
		if (!seen[next]) {
			printf("%s%u", comma, next);
			comma = ", ";
		}
	printf("]}\n");
	return 0;
}

int main(int argc, char *argv[])
{
	if (argc == 6 && !strcmp(argv[1], "send"))
		return send_all(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "receive"))
		return receive_all(argv + 2);
	fprintf(stderr, "usage: numbered send ADDRESS PORT COUNT RATE\n"
			"       numbered receive PORT COUNT SECONDS\n");
	return 1;
}
