// SPDX-License-Identifier: GPL-2.0
/* Simulates files, resolver and kernel. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/forkguard.h>
#include <linux/genetlink.h>
#include <sanitizer/asan_interface.h>

#include "config_world.h"
#include "harness.h"

struct world world;

typeof(fopen) fuzz_fopen;
typeof(open) fuzz_open;
typeof(lseek) fuzz_lseek;
typeof(read) fuzz_read;
typeof(close) fuzz_close;
typeof(getservbyname) fuzz_getservbyname;
typeof(getaddrinfo) fuzz_getaddrinfo;
typeof(nanosleep) fuzz_nanosleep;
typeof(mnl_socket_open2) fuzz_mnl_socket_open2;
typeof(mnl_socket_bind) fuzz_mnl_socket_bind;
typeof(mnl_socket_setsockopt) fuzz_mnl_socket_setsockopt;
typeof(mnl_socket_get_portid) fuzz_mnl_socket_get_portid;
typeof(mnl_socket_sendto) fuzz_mnl_socket_sendto;
typeof(mnl_socket_recvfrom) fuzz_mnl_socket_recvfrom;
typeof(mnl_socket_close) fuzz_mnl_socket_close;
typeof(mnl_nlmsg_put_header) fuzz_mnl_nlmsg_put_header;

/* Files */

FILE *fuzz_fopen(const char *path, const char *mode)
{
	(void)path;
	return fmemopen((void *)world.file.p, world.file.len, mode);
}

#define KEY_FD 1000

static struct bytes key_file;

int fuzz_open(const char *path, int flags, ...)
{
	(void)flags;
	EXPECT(!key_file.p);
	if (*path == NO_SUCH_KEY_FILE) {
		errno = ENOENT;
		return -1;
	}
	key_file = (struct bytes){ (const uint8_t *)path, strlen(path) };
	return KEY_FD;
}

/* Every descriptor is a regular file, which may be empty. */
off_t fuzz_lseek(int fd, off_t offset, int whence)
{
	EXPECT(fd == KEY_FD && key_file.p && !offset && whence == SEEK_CUR);
	return 0;
}

/* Returns the data in pieces, as a pipe may do. */
ssize_t fuzz_read(int fd, void *to, size_t len)
{
	EXPECT(fd == KEY_FD && key_file.p);
	if (len > 7)
		len = 7;
	if (len > key_file.len)
		len = key_file.len;
	memcpy(to, key_file.p, len);
	key_file.p += len;
	key_file.len -= len;
	return len;
}

int fuzz_close(int fd)
{
	EXPECT(fd == KEY_FD && key_file.p);
	key_file.p = NULL;
	return 0;
}

/* Resolver */

struct servent *fuzz_getservbyname(const char *name, const char *protocol)
{
	static struct servent domain;

	EXPECT(!strcmp(protocol, "udp"));
	domain.s_port = htons(53);
	return strcmp(name, "domain") ? NULL : &domain;
}

int fuzz_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		     struct addrinfo **found)
{
	struct addrinfo numbers = *hints;

	numbers.ai_flags |= AI_NUMERICHOST;
	return getaddrinfo(host, service, &numbers, found);
}

/* May be called only after a temporary failure of the resolver. */
int fuzz_nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)left;
	finding("waits %ld s for a number to be resolved", (long)time->tv_sec);
}

/* Kernel */

#define PORTID 77

static struct bytes rest; /* of the answer */
static struct bytes buffer; /* the part of the last receive buffer beyond the datagram */

/* The bytes after the datagram were not received and must not be read. */
static void forbid(const uint8_t *p, size_t len)
{
	buffer = (struct bytes){ p, len };
	ASAN_POISON_MEMORY_REGION(p, len);
}

static void permit(void)
{
	if (buffer.p)
		ASAN_UNPOISON_MEMORY_REGION(buffer.p, buffer.len);
	buffer.p = NULL;
}

struct mnl_socket *fuzz_mnl_socket_open2(int protocol, int flags)
{
	(void)protocol;
	(void)flags;
	return (struct mnl_socket *)&world;
}

int fuzz_mnl_socket_bind(struct mnl_socket *socket, unsigned int groups, pid_t pid)
{
	(void)socket;
	(void)groups;
	(void)pid;
	return 0;
}

int fuzz_mnl_socket_setsockopt(const struct mnl_socket *socket, int type, void *data, socklen_t len)
{
	(void)socket;
	(void)data;
	(void)len;
	/* From now on events arrive without a request. */
	if (type == NETLINK_ADD_MEMBERSHIP)
		rest = world.answer;
	return 0;
}

unsigned int fuzz_mnl_socket_get_portid(const struct mnl_socket *socket)
{
	(void)socket;
	return PORTID;
}

int fuzz_mnl_socket_close(struct mnl_socket *socket)
{
	EXPECT(socket == (struct mnl_socket *)&world);
	permit();
	return 0;
}

struct nlmsghdr *fuzz_mnl_nlmsg_put_header(void *to)
{
	permit();
	return mnl_nlmsg_put_header(to);
}

static struct bytes describe_family(void)
{
	static uint8_t message[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(message);
	struct nlattr *groups, *group;

	nlh->nlmsg_type = GENL_ID_CTRL;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct genlmsghdr));
	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, WORLD_FAMILY);
	groups = mnl_attr_nest_start(nlh, CTRL_ATTR_MCAST_GROUPS);
	group = mnl_attr_nest_start(nlh, 1);
	mnl_attr_put_strz(nlh, CTRL_ATTR_MCAST_GRP_NAME, FORKGUARD_GENL_MCGRP_EVENTS);
	mnl_attr_put_u32(nlh, CTRL_ATTR_MCAST_GRP_ID, 5);
	mnl_attr_nest_end(nlh, group);
	mnl_attr_nest_end(nlh, groups);

	nlh = mnl_nlmsg_put_header(message + nlh->nlmsg_len);
	nlh->nlmsg_type = NLMSG_DONE;
	return (struct bytes){ message, (uint8_t *)nlh + nlh->nlmsg_len - message };
}

ssize_t fuzz_mnl_socket_sendto(const struct mnl_socket *socket, const void *question, size_t len)
{
	const struct nlmsghdr *nlh = question;

	(void)socket;
	EXPECT(len == nlh->nlmsg_len && mnl_nlmsg_ok(nlh, len));
	if (nlh->nlmsg_type == GENL_ID_CTRL && !world.asks_family)
		rest = describe_family();
	else
		rest = world.answer;
	return len;
}

/* If the answer ends without NLMSG_DONE, the next call returns an error. */
ssize_t fuzz_mnl_socket_recvfrom(const struct mnl_socket *socket, void *to, size_t room)
{
	size_t len = rest.len;
	uint32_t first;

	(void)socket;
	permit();
	if (!len) {
		errno = EIO;
		return -1;
	}
	if (!world.all_at_once && len >= sizeof(first)) {
		memcpy(&first, rest.p, sizeof(first)); /* nlmsg_len */
		if (first >= NLMSG_HDRLEN && first < len)
			len = MNL_ALIGN(first) < len ? MNL_ALIGN(first) : len;
	}
	EXPECT(len <= room);
	memcpy(to, rest.p, len);
	rest.p += len;
	rest.len -= len;
	/* A length may be rounded up to the next whole word. */
	if (MNL_ALIGN(len) < room)
		forbid((uint8_t *)to + MNL_ALIGN(len), room - MNL_ALIGN(len));
	return len;
}
