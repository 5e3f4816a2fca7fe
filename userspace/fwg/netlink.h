/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A netlink socket that asks one question at a time, gets all of the answer
 * and keeps what the kernel says about an error.
 */
#ifndef FWG_NETLINK_H
#define FWG_NETLINK_H

#include <stdint.h>

#include <libmnl/libmnl.h>

/*
 * As large as the kernel ever makes a message of a dump, and well below the
 * 64 KiB to which the length of a nest is limited.
 */
#define NETLINK_BUFFER_SIZE 32768

struct netlink {
	struct mnl_socket *socket;
	uint32_t seq;
	uint16_t family; /* the id of forkguard's generic netlink family */
	uint32_t events; /* the id of its multicast group, 0 when unknown */
	char message[256]; /* the kernel's words about the last error, or "" */
	uint32_t offset; /* of the attribute that it is about in the question, or 0 */
	uint8_t buffer[NETLINK_BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* Looks at one message of an answer; returns 0 or a negative errno. */
typedef int netlink_handler(const struct nlmsghdr *nlh, void *data);

/*
 * These return 0 or a negative errno. netlink_close() is due after each
 * netlink_open*(), also after one that failed.
 */
int netlink_open(struct netlink *nl, int protocol);

/* -EPROTONOSUPPORT: the kernel has no such family, the module is not loaded. */
int netlink_open_forkguard(struct netlink *nl);

/* Wipes the buffer, for keys go through it. */
void netlink_close(struct netlink *nl);

/* Begins a message in the socket's buffer. */
struct nlmsghdr *netlink_message(struct netlink *nl, uint16_t type, uint16_t flags);
struct nlmsghdr *netlink_command(struct netlink *nl, uint8_t cmd, uint16_t flags);

/*
 * Sends @nlh and hands each message of the answer to @handler, which may be
 * NULL. -EINTR: what was dumped has changed meanwhile, ask again.
 */
int netlink_ask(struct netlink *nl, const struct nlmsghdr *nlh, netlink_handler *handler,
		void *data);

/* Receives what comes unasked, and hands over each message; for ever. */
int netlink_listen(struct netlink *nl, netlink_handler *handler, void *data);

#endif
