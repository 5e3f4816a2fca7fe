// SPDX-License-Identifier: GPL-2.0
/* A netlink socket: sending, receiving, errors, and finding forkguard's family. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <linux/forkguard.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "netlink.h"

/* The kernel's greatest error number. */
#define MAX_ERRNO 4095

int netlink_open(struct netlink *nl, int protocol)
{
	int on = 1;

	memset(nl, 0, sizeof(*nl));
	nl->socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	if (!nl->socket || mnl_socket_bind(nl->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;

	/* Kernels without these options report errors by number only. */
	mnl_socket_setsockopt(nl->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

void netlink_close(struct netlink *nl)
{
	if (nl->socket)
		mnl_socket_close(nl->socket);
	nl->socket = NULL;
	explicit_bzero(nl->buffer, sizeof(nl->buffer));
}

struct nlmsghdr *netlink_message(struct netlink *nl, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(nl->buffer);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++nl->seq;
	return nlh;
}

static struct nlmsghdr *generic_message(struct netlink *nl, uint16_t family, uint8_t cmd,
					uint8_t version, uint16_t flags)
{
	struct nlmsghdr *nlh = netlink_message(nl, family, flags);
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));

	genl->cmd = cmd;
	genl->version = version;
	return nlh;
}

struct nlmsghdr *netlink_command(struct netlink *nl, uint8_t cmd, uint16_t flags)
{
	return generic_message(nl, nl->family, cmd, FORKGUARD_GENL_VERSION, flags);
}

/* The attributes of an extended ack begin at @offset of the payload. */
static void keep_words(struct netlink *nl, const struct nlmsghdr *nlh, size_t offset)
{
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	mnl_attr_for_each(attr, nlh, offset) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			snprintf(nl->message, sizeof(nl->message), "%s", mnl_attr_get_str(attr));
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			nl->offset = mnl_attr_get_u32(attr);
	}
}

/* A number out of range is neither an error of the kernel nor success: -EPROTO. */
static int as_errno(int error)
{
	return error > 0 || error < -MAX_ERRNO ? -EPROTO : error;
}

/* The error of an NLMSG_ERROR, 0 for an acknowledgment. */
static int read_error(struct netlink *nl, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *msg = mnl_nlmsg_get_payload(nlh);
	size_t offset = sizeof(*msg);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return -EPROTO;
	if (!msg->error)
		return 0;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
		size_t echoed = msg->msg.nlmsg_len - NLMSG_HDRLEN;

		if (msg->msg.nlmsg_len < NLMSG_HDRLEN ||
		    echoed > mnl_nlmsg_get_payload_len(nlh) - offset)
			return as_errno(msg->error);
		offset += echoed;
	}
	keep_words(nl, nlh, offset);
	return as_errno(msg->error);
}

static int read_done(struct netlink *nl, const struct nlmsghdr *nlh)
{
	int error = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(error))
		memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	if (error < 0)
		keep_words(nl, nlh, sizeof(error));
	return error < 0 ? as_errno(error) : 0;
}

/* Not mnl_nlmsg_ok(), which takes a length of 2^31 or more for a negative one. */
static bool is_whole(const struct nlmsghdr *nlh, int left)
{
	return mnl_nlmsg_ok(nlh, left) && nlh->nlmsg_len <= (uint32_t)left;
}

static int receive_answer(struct netlink *nl, netlink_handler *handler, void *data)
{
	unsigned int portid = mnl_socket_get_portid(nl->socket);
	bool interrupted = false;

	for (;;) {
		ssize_t got = mnl_socket_recvfrom(nl->socket, nl->buffer, sizeof(nl->buffer));
		const struct nlmsghdr *nlh = (const void *)nl->buffer;
		int left = got, ret = 0;

		if (got < 0)
			return -errno;
		for (; is_whole(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (!mnl_nlmsg_seq_ok(nlh, nl->seq) || !mnl_nlmsg_portid_ok(nlh, portid))
				continue;
			if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
				interrupted = true;
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return read_error(nl, nlh);
			if (nlh->nlmsg_type == NLMSG_DONE) {
				ret = read_done(nl, nlh);
				return ret ? ret : interrupted ? -EINTR : 0;
			}
			if (nlh->nlmsg_type >= NLMSG_MIN_TYPE && handler)
				ret = handler(nlh, data);
			if (ret)
				return ret;
		}
	}
}

int netlink_ask(struct netlink *nl, const struct nlmsghdr *nlh, netlink_handler *handler,
		void *data)
{
	nl->message[0] = '\0';
	nl->offset = 0;
	if (mnl_socket_sendto(nl->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	return receive_answer(nl, handler, data);
}

int netlink_listen(struct netlink *nl, netlink_handler *handler, void *data)
{
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(nl->socket, nl->buffer, sizeof(nl->buffer));
		const struct nlmsghdr *nlh = (const void *)nl->buffer;
		int left = got, ret = 0;

		if (got < 0)
			return -errno;
		for (; !ret && is_whole(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			ret = handler(nlh, data);
		if (ret)
			return ret;
	}
}

static void read_group(struct netlink *nl, const struct nlattr *group)
{
	const char *name = "";
	const struct nlattr *attr;
	uint32_t id = 0;

	mnl_attr_for_each_nested(attr, group) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME &&
		    !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
			name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID &&
		    !mnl_attr_validate(attr, MNL_TYPE_U32))
			id = mnl_attr_get_u32(attr);
	}
	if (!strcmp(name, FORKGUARD_GENL_MCGRP_EVENTS))
		nl->events = id;
}

static int read_family(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr, *group;
	struct netlink *nl = data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
		    !mnl_attr_validate(attr, MNL_TYPE_U16))
			nl->family = mnl_attr_get_u16(attr);
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			mnl_attr_for_each_nested(group, attr)
				read_group(nl, group);
	}
	return 0;
}

int netlink_open_forkguard(struct netlink *nl)
{
	int ret = netlink_open(nl, NETLINK_GENERIC);
	struct nlmsghdr *nlh;

	if (ret)
		return ret;
	nlh = generic_message(nl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, NLM_F_ACK);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, FORKGUARD_GENL_NAME);
	ret = netlink_ask(nl, nlh, read_family, nl);
	if (ret == -ENOENT || (!ret && !nl->family))
		return -EPROTONOSUPPORT;
	return ret;
}
