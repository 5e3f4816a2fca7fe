// SPDX-License-Identifier: GPL-2.0
/*
 * The lab's traffic source: sends UDP datagrams to one or more addresses at a
 * given rate, for ever or for a number of packets.
 *
 * Clones of a guest run this program from the same state. Therefore each payload has
 * the current time-stamp counter, so that no two clones send the same text. Half of
 * the payloads are known sentences, the others have a secret, so that a reused nonce
 * visibly reveals a secret.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define MAX_TARGETS 4096
#define SENTENCE_LEN 64
#define MAX_PAYLOAD 1400
#define TICK_NS 1000000L

static struct sockaddr_storage targets[MAX_TARGETS];
static unsigned int target_count;

static void die(const char *what, const char *word)
{
	fprintf(stderr, "traffic: %s: %s\n", what, word);
	exit(1);
}

static unsigned long to_number(const char *word, unsigned long max)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(word, &end, 10);
	if (errno || end == word || *end || value > max)
		die("not a number in range", word);
	return value;
}

static void add_target(const char *word, uint16_t port)
{
	struct sockaddr_in6 *v6;
	struct sockaddr_in *v4;

	if (target_count == MAX_TARGETS)
		die("too many addresses", word);
	v4 = (struct sockaddr_in *)&targets[target_count];
	v6 = (struct sockaddr_in6 *)&targets[target_count];
	if (inet_pton(AF_INET, word, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
	} else if (inet_pton(AF_INET6, word, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
	} else {
		die("not an address", word);
	}
	target_count++;
}

/* Binds the port to which the other side sends, to avoid ICMP errors. */
static int open_socket(int family, uint16_t port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int on = 1;
	int fd = socket(family, SOCK_DGRAM, 0);

	if (fd < 0)
		die("socket", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, family == AF_INET ? (void *)&v4 : (void *)&v6,
		 family == AF_INET ? sizeof(v4) : sizeof(v6)))
		die("bind", strerror(errno));
	return fd;
}

static void write_payload(char *payload, size_t size)
{
	static const char *const known[] = {
		"Good morning, this is the weather report: sunny, light winds.",
		"Status of this machine: all is well, there is nothing to tell.",
	};
	static const char *const secret[] = {
		"Do not pass this on: the safe in the attic opens with %08u.",
		"For your eyes only: the PIN of account 20030416 is now %08u.",
	};
	uint64_t stamp = __rdtsc();
	/* The low bits differ between clones: mix them into all bits. */
	uint64_t mixed = stamp * 0x9e3779b97f4a7c15ULL;
	unsigned int pick = mixed >> 62;
	char text[SENTENCE_LEN + 1 + 16 + 1];

	memset(text, ' ', SENTENCE_LEN);
	if (pick & 1) {
		snprintf(text, SENTENCE_LEN + 1, secret[pick >> 1],
			 (unsigned int)((mixed >> 30) % 100000000));
	} else {
		snprintf(text, SENTENCE_LEN + 1, "%s", known[pick >> 1]);
	}
	text[strlen(text)] = ' ';
	snprintf(text + SENTENCE_LEN, sizeof(text) - SENTENCE_LEN, " %016llx",
		 (unsigned long long)stamp);
	memset(payload, '.', size);
	memcpy(payload, text, sizeof(text) - 1);
}

int main(int argc, char *argv[])
{
	unsigned long rate = 1000, count = 0, size = 128, sent = 0, due = 0;
	struct timespec next;
	uint16_t port = 7777;
	int v4, v6, option;

	while ((option = getopt(argc, argv, "r:n:s:p:")) != -1) {
		if (option == 'r')
			rate = to_number(optarg, 1000000);
		else if (option == 'n')
			count = to_number(optarg, 1000000000);
		else if (option == 's')
			size = to_number(optarg, MAX_PAYLOAD);
		else if (option == 'p')
			port = to_number(optarg, 65535);
		else
			return 1;
	}
	if (optind == argc || size < SENTENCE_LEN + 17 || !rate) {
		fprintf(stderr,
			"usage: traffic [-r PACKETS/S] [-n COUNT] [-s SIZE (81 to 1400)] [-p PORT] ADDRESS...\n");
		return 1;
	}
	while (optind < argc)
		add_target(argv[optind++], port);
	v4 = open_socket(AF_INET, port);
	v6 = open_socket(AF_INET6, port);

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (;;) {
		/* Packets due are counted in thousandths, for any rate. */
		for (due += rate; due >= 1000; due -= 1000) {
			struct sockaddr_storage *to = &targets[sent % target_count];
			char payload[MAX_PAYLOAD];

			write_payload(payload, size);
			/* A tunnel without a session may refuse; the next tick tries again. */
			sendto(to->ss_family == AF_INET ? v4 : v6, payload, size, MSG_DONTWAIT,
			       (struct sockaddr *)to,
			       to->ss_family == AF_INET ? sizeof(struct sockaddr_in) :
							  sizeof(struct sockaddr_in6));
			if (++sent == count)
				return 0;
		}
		next.tv_nsec += TICK_NS;
		if (next.tv_nsec >= 1000000000L) {
			next.tv_nsec -= 1000000000L;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}
