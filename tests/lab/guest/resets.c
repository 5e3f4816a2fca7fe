// SPDX-License-Identifier: GPL-2.0
/*
 * Forces resets of a forkguard interface, or of peers of it in turn, at a given
 * rate, and tells how many were acknowledged and how long they took. An
 * acknowledgment comes when the reset is done.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/forkguard.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "program.h"

#define MAX_MESSAGE 4096

struct message {
	struct nlmsghdr nl;
	struct genlmsghdr genl;
	char attrs[256];
};

static int nl_socket;

static void begin(struct message *msg, uint16_t family, uint8_t command)
{
	memset(msg, 0, sizeof(*msg));
	msg->nl.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	msg->nl.nlmsg_type = family;
	msg->nl.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	msg->genl.cmd = command;
	msg->genl.version = 1;
}

static void put(struct message *msg, uint16_t type, const void *data, size_t len)
{
	struct nlattr *attr = (void *)((char *)msg + NLMSG_ALIGN(msg->nl.nlmsg_len));

	if (msg->nl.nlmsg_len + NLA_HDRLEN + len > sizeof(*msg))
		die("too long", data);
	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	memcpy((char *)attr + NLA_HDRLEN, data, len);
	msg->nl.nlmsg_len = NLMSG_ALIGN(msg->nl.nlmsg_len) + NLA_ALIGN(attr->nla_len);
}

/* Returns the error of the acknowledgment; what comes before it goes to answer. */
static int ask(struct message *msg, char answer[MAX_MESSAGE])
{
	char buffer[MAX_MESSAGE];

	if (send(nl_socket, msg, msg->nl.nlmsg_len, 0) < 0)
		die("send", strerror(errno));
	for (;;) {
		struct nlmsghdr *nl = (struct nlmsghdr *)buffer;
		int len = recv(nl_socket, buffer, sizeof(buffer), 0);

		if (len < 0)
			die("recv", strerror(errno));
		for (; NLMSG_OK(nl, len); nl = NLMSG_NEXT(nl, len)) {
			if (nl->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(nl))->error;
			if (answer)
				memcpy(answer, nl, nl->nlmsg_len);
		}
	}
}

static uint16_t find_family(void)
{
	static char answer[MAX_MESSAGE] __attribute__((aligned(4)));
	struct nlmsghdr *nl = (struct nlmsghdr *)answer;
	struct message msg;
	struct nlattr *attr;
	char *at, *end;

	begin(&msg, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	put(&msg, CTRL_ATTR_FAMILY_NAME, FORKGUARD_GENL_NAME, sizeof(FORKGUARD_GENL_NAME));
	if (ask(&msg, answer))
		die("no such netlink family", FORKGUARD_GENL_NAME);
	end = answer + nl->nlmsg_len;
	for (at = (char *)NLMSG_DATA(nl) + GENL_HDRLEN; at < end; at += NLA_ALIGN(attr->nla_len)) {
		attr = (struct nlattr *)at;
		if (attr->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(uint16_t *)(at + NLA_HDRLEN);
	}
	die("has no number", FORKGUARD_GENL_NAME);
	return 0;
}

/* A public key in hexadecimal digits. */
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
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
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
	nl_socket = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	if (nl_socket < 0 || bind(nl_socket, (void *)&address, sizeof(address)))
		die("netlink", strerror(errno));
	family = find_family();

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
