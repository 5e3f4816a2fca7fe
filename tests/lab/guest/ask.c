// SPDX-License-Identifier: GPL-2.0
/*
 * Sends a request about an interface to a netlink family, and prints the numbers of
 * the attributes in the answer, nested ones in brackets, or the error:
 *
 *	ask FAMILY COMMAND INTERFACE [ATTRIBUTE]
 *
 * ATTRIBUTE is one more attribute of the request, with 32 zero bytes.
 */
#define _GNU_SOURCE
#include "genl.h"

#define IFNAME 2 /* the same number in WireGuard's attributes and forkguard's */

static void print(char *at, char *end)
{
	struct nlattr *attr;

	for (; at < end; at += NLA_ALIGN(attr->nla_len)) {
		attr = (struct nlattr *)at;
		printf(" %u", attr->nla_type & NLA_TYPE_MASK);
		if (attr->nla_type & NLA_F_NESTED) {
			printf(" [");
			print(at + NLA_HDRLEN, at + attr->nla_len);
			printf(" ]");
		}
	}
}

int main(int argc, char *argv[])
{
	static char answer[MAX_MESSAGE] __attribute__((aligned(4)));
	static const char zeros[32];
	struct nlmsghdr *nl = (struct nlmsghdr *)answer;
	struct message msg;
	int command, error;

	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: ask FAMILY COMMAND INTERFACE [ATTRIBUTE]\n");
		return 1;
	}
	command = atoi(argv[2]);
	begin(&msg, find_family(argv[1]), command);
	if (!command)
		msg.nl.nlmsg_flags |= NLM_F_DUMP;
	/* WireGuard ignores this field in its commands, so programs may leave anything in it. */
	msg.genl.reserved = command < 2;
	put(&msg, IFNAME, argv[3], strlen(argv[3]) + 1);
	if (argc == 5)
		put(&msg, to_number(argv[4], UINT16_MAX), zeros, sizeof(zeros));
	error = ask(&msg, answer);
	if (error)
		printf(" %s", strerror(-error));
	else if (nl->nlmsg_len)
		print((char *)NLMSG_DATA(nl) + GENL_HDRLEN, answer + nl->nlmsg_len);
	printf("\n");
	return 0;
}
