/* SPDX-License-Identifier: GPL-2.0 */
/* Generic netlink, for the small programs that run in guests. */
#ifndef _GENL_H
#define _GENL_H

#include <string.h>
#include <sys/socket.h>

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

static inline void begin(struct message *msg, uint16_t family, uint8_t command)
{
	memset(msg, 0, sizeof(*msg));
	msg->nl.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	msg->nl.nlmsg_type = family;
	msg->nl.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	msg->genl.cmd = command;
	msg->genl.version = 1;
}

static inline void put(struct message *msg, uint16_t type, const void *data, size_t len)
{
	struct nlattr *attr = (void *)((char *)msg + NLMSG_ALIGN(msg->nl.nlmsg_len));

	if (msg->nl.nlmsg_len + NLA_HDRLEN + len > sizeof(*msg))
		die("too long", data);
	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	memcpy((char *)attr + NLA_HDRLEN, data, len);
	msg->nl.nlmsg_len = NLMSG_ALIGN(msg->nl.nlmsg_len) + NLA_ALIGN(attr->nla_len);
}

/* Returns the error at the end of the answer; the last message before it goes to @answer. */
static inline int ask(struct message *msg, char answer[MAX_MESSAGE])
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
			if (nl->nlmsg_type == NLMSG_ERROR || nl->nlmsg_type == NLMSG_DONE)
				return *(int *)NLMSG_DATA(nl);
			if (answer)
				memcpy(answer, nl, nl->nlmsg_len);
		}
	}
}

/* Opens the socket, and returns the number of a family. */
static inline uint16_t find_family(const char *name)
{
	static char answer[MAX_MESSAGE] __attribute__((aligned(4)));
	struct nlmsghdr *nl = (struct nlmsghdr *)answer;
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	struct message msg;
	struct nlattr *attr;
	char *at, *end;

	nl_socket = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	if (nl_socket < 0 || bind(nl_socket, (void *)&address, sizeof(address)))
		die("netlink", strerror(errno));
	begin(&msg, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	put(&msg, CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	if (ask(&msg, answer))
		die("no such netlink family", name);
	end = answer + nl->nlmsg_len;
	for (at = (char *)NLMSG_DATA(nl) + GENL_HDRLEN; at < end; at += NLA_ALIGN(attr->nla_len)) {
		attr = (struct nlattr *)at;
		if (attr->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(uint16_t *)(at + NLA_HDRLEN);
	}
	die("has no number", name);
	return 0;
}

#endif /* _GENL_H */
