// SPDX-License-Identifier: GPL-2.0
/*
 * Forces resets of a forkguard interface, or of its peers in turn, at a given rate.
 * Prints how many were acknowledged, and how long they took. A reset is acknowledged
 * when it is done.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include <linux/forkguard.h>

#include "genl.h"

/* Parses a public key in hexadecimal digits. */
static void to_key(uint8_t key[FORKGUARD_KEY_LEN], const char *word)
{
	size_t i;

	if (strlen(word) != 2 * FORKGUARD_KEY_LEN)
		die("not a key", word);
	for (i = 0; i < FORKGUARD_KEY_LEN; i++)
		if (sscanf(word + 2 * i, "%2hhx", &key[i]) != 1)
			die("not a key", word);
}

int main(int argc, char *argv[])
{
	unsigned long rate = 1000, burst = 1, count = 1, sent = 0, refused = 0, targets;
	uint64_t start, took, sum = 0, longest = 0;
	struct message *messages;
	uint16_t family;
	int option, i;

	while ((option = getopt(argc, argv, "r:b:n:")) != -1) {
		if (option == 'r')
			rate = to_number(optarg, 1000000);
		else if (option == 'b')
			burst = to_number(optarg, 1000000);
		else if (option == 'n')
			count = to_number(optarg, 1000000000);
		else
			return 1;
	}
	argv += optind;
	argc -= optind;
	if (argc < 1) {
		fprintf(stderr,
			"usage: resets [-r RESETS/S] [-b BURST] [-n COUNT] INTERFACE [KEY]...\n");
		return 1;
	}
	family = find_family(FORKGUARD_GENL_NAME);

	targets = argc > 1 ? argc - 1 : 1;
	messages = calloc(targets, sizeof(*messages));
	if (!messages)
		die("calloc", strerror(errno));
	for (i = 0; i < (int)targets; i++) {
		uint8_t key[FORKGUARD_KEY_LEN];

		begin(&messages[i], family, FORKGUARD_CMD_RESET);
		put(&messages[i], FORKGUARD_DEVICE_A_IFNAME, argv[0], strlen(argv[0]) + 1);
		if (argc > 1) {
			to_key(key, argv[1 + i]);
			put(&messages[i], FORKGUARD_DEVICE_A_PEER_KEY, key, sizeof(key));
		}
	}

	start = now();
	for (sent = 0; sent < count; sent++) {
		uint64_t begun;

		if (sent % burst == 0)
			wait_until(start + sent * NS_PER_S / rate);
		begun = now();
		refused += !!ask(&messages[sent % targets], NULL);
		took = now() - begun;
		sum += took;
		if (took > longest)
			longest = took;
	}
	printf("{\"sent\": %lu, \"refused\": %lu, \"seconds\": %.3f, ", sent, refused,
	       (now() - start) / 1e9);
	printf("\"mean_us\": %.1f, \"longest_us\": %.1f}\n", sum / 1e3 / sent, longest / 1e3);
	return refused ? 1 : 0;
}
