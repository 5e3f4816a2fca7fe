/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A netlink socket. It sends one request at a time, receives the whole answer
 * and keeps the kernel's message about an error.
 */
#ifndef FWG_NETLINK_H
#define FWG_NETLINK_H

#include <stdint.h>

#include <libmnl/libmnl.h>

/*
 * No message of a dump is larger. A nest can have up to 64 KiB, so those of a
 * message that fits in here are never too long.
 */
#define NETLINK_BUFFER_SIZE 32768

struct netlink {
	struct mnl_socket *socket;
	uint32_t seq;
	uint16_t family; /* the id of forkguard's generic netlink family */
	uint32_t events; /* the id of its multicast group, 0 if unknown */
	char message[256]; /* the kernel's message about the last error, or "" */
	uint32_t offset; /* of the request's attribute that it is about, or 0 */
	uint8_t buffer[NETLINK_BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* Handles one message of an answer. Returns 0 or a negative errno. */
typedef int netlink_handler(const struct nlmsghdr *nlh, void *data);

/*
 * These return 0 or a negative errno. Even if they fail, netlink_close() has to
 * follow.
 */
int netlink_open(struct netlink *nl, int protocol);

/* -EPROTONOSUPPORT if the kernel has no such family: the module is not loaded. */
int netlink_open_forkguard(struct netlink *nl);

/* Also wipes the buffer, which may contain keys. */
void netlink_close(struct netlink *nl);

/* Begins a message in the socket's buffer. */
struct nlmsghdr *netlink_message(struct netlink *nl, uint16_t type, uint16_t flags);
struct nlmsghdr *netlink_command(struct netlink *nl, uint8_t cmd, uint16_t flags);

/*
 * Sends @nlh and passes each message of the answer to @handler, which may be
 * NULL. Returns -EINTR if the answer is inconsistent because something changed
 * during the dump.
 */
int netlink_ask(struct netlink *nl, const struct nlmsghdr *nlh, netlink_handler *handler,
		void *data);

/* Receives events and passes each message to @handler, until there is an error. */
int netlink_listen(struct netlink *nl, netlink_handler *handler, void *data);

#endif
