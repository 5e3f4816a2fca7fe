// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into fwg or wg, answers in place of the kernel. It uses files in the folder WORLD:
 *
 *	NAME		a dump of the interface NAME: for each message, the length of its
 *			attributes and the attributes
 *	generation	the answer to FORKGUARD_CMD_GET_GENERATION, in the same form
 *	heard		gets the attributes by which an interface is set
 *	refuse		the number of the error with which they are refused
 *
 * The variable LINKS has the interfaces, separated by /; NOW is the time. The host "later" is
 * resolved at the 41st attempt, other names except localhost are not. Waiting takes no time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define FAMILY 77
#define ATTR_IFNAME 2
#define CMD_GET_GENERATION 65

static uint8_t answer[1 << 22] __attribute__((aligned(NLMSG_ALIGNTO)));
static size_t said, told;
static struct nlmsghdr question;
static uint32_t portid;

static struct nlmsghdr *begin(uint16_t type)
{
	struct nlmsghdr *nlh = (void *)(answer + said);

	*nlh = (struct nlmsghdr){ NLMSG_HDRLEN, type, NLM_F_MULTI, question.nlmsg_seq, portid };
	said += NLMSG_HDRLEN;
	return nlh;
}

static void add(struct nlmsghdr *nlh, const void *data, size_t len)
{
	memcpy(answer + said, data, len);
	said += NLMSG_ALIGN(len);
	nlh->nlmsg_len = answer + said - (uint8_t *)nlh;
}

static void add_attr(struct nlmsghdr *nlh, uint16_t type, const void *data, size_t len)
{
	add(nlh, &(struct nlattr){ NLA_HDRLEN + len, type }, NLA_HDRLEN);
	add(nlh, data, len);
}

static void end(uint16_t type, int error)
{
	struct nlmsghdr *nlh = begin(type);

	if (type == NLMSG_ERROR) {
		nlh->nlmsg_flags = NLM_F_CAPPED;
		add(nlh, &(struct nlmsgerr){ -error, question }, sizeof(struct nlmsgerr));
	} else {
		add(nlh, &error, sizeof(error));
	}
}

/* Opens a file without a buffer, in which secrets would remain. */
static FILE *file_of(const char *name, const char *mode)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", getenv("WORLD"), name);
	file = fopen(path, mode);
	if (file)
		setvbuf(file, NULL, _IONBF, 0);
	return file;
}

static void tell_family(void)
{
	struct nlmsghdr *nlh = begin(GENL_ID_CTRL);
	uint16_t id = FAMILY;

	nlh->nlmsg_flags = 0;
	add(nlh, &(struct genlmsghdr){ CTRL_CMD_NEWFAMILY, 1 }, GENL_HDRLEN);
	add_attr(nlh, CTRL_ATTR_FAMILY_ID, &id, sizeof(id));
	end(NLMSG_ERROR, 0);
}

static void tell_links(void)
{
	const char *kind = strcmp(program_invocation_short_name, "wg") ? "forkguard" : "wireguard";
	char *links = strdup(getenv("LINKS")), *name;

	while ((name = strsep(&links, "/"))) {
		struct nlmsghdr *nlh = begin(RTM_NEWLINK);
		struct nlattr info = { 2 * NLA_HDRLEN + NLA_ALIGN(strlen(kind) + 1),
				       IFLA_LINKINFO };

		add(nlh, &(struct ifinfomsg){ 0 }, sizeof(struct ifinfomsg));
		add_attr(nlh, IFLA_IFNAME, name, strlen(name) + 1);
		add(nlh, &info, NLA_HDRLEN);
		add_attr(nlh, IFLA_INFO_KIND, kind, strlen(kind) + 1);
	}
	end(NLMSG_DONE, 0);
}

static void tell_file(const char *name)
{
	FILE *file = *name ? file_of(name, "r") : NULL;
	uint8_t text[1 << 16];
	uint32_t len;

	if (!file) {
		end(NLMSG_ERROR, ENODEV);
		return;
	}
	while (fread(&len, sizeof(len), 1, file) && fread(text, len, 1, file)) {
		struct nlmsghdr *nlh = begin(FAMILY);

		add(nlh, &(struct genlmsghdr){ 0, 1 }, GENL_HDRLEN);
		add(nlh, text, len);
	}
	end(NLMSG_DONE, 0);
	fclose(file);
}

static void tell_device(const struct nlattr *name)
{
	const bool named = name->nla_type == ATTR_IFNAME && name->nla_len > NLA_HDRLEN;

	tell_file(named ? (const char *)name + NLA_HDRLEN : "");
}

static void hear(const void *attributes, uint32_t len)
{
	FILE *refuse = file_of("refuse", "r"), *heard = file_of("heard", "a");
	int error = 0;

	if (refuse) {
		if (fscanf(refuse, "%d", &error) != 1)
			error = 0;
		fclose(refuse);
	}
	if (!error) {
		fwrite(&len, sizeof(len), 1, heard);
		fwrite(attributes, len, 1, heard);
	}
	fclose(heard);
	end(NLMSG_ERROR, error);
}

ssize_t sendto(int fd, const void *message, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len)
{
	const struct genlmsghdr *genl = NLMSG_DATA(message);
	struct sockaddr_nl own;
	socklen_t own_len = sizeof(own);

	getsockname(fd, (struct sockaddr *)&own, &own_len);
	memcpy(&question, message, sizeof(question));
	portid = own.nl_pid;
	said = told = 0;
	if (question.nlmsg_type == GENL_ID_CTRL)
		tell_family();
	else if (question.nlmsg_type == RTM_GETLINK)
		tell_links();
	else if (genl->cmd == CMD_GET_GENERATION)
		tell_file("generation");
	else if (genl->cmd)
		hear((const uint8_t *)genl + GENL_HDRLEN, len - NLMSG_HDRLEN - GENL_HDRLEN);
	else
		tell_device((const void *)((const uint8_t *)genl + GENL_HDRLEN));
	return len;
}

/* Returns one message at a time. */
ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	const struct nlmsghdr *nlh = (const void *)(answer + told);
	size_t len = told < said ? NLMSG_ALIGN(nlh->nlmsg_len) : 0;

	if (len > msg->msg_iov->iov_len) {
		errno = ENOSPC;
		return -1;
	}
	memcpy(msg->msg_iov->iov_base, nlh, len);
	told += len;
	memset(msg->msg_name, 0, sizeof(struct sockaddr_nl));
	((struct sockaddr_nl *)msg->msg_name)->nl_family = AF_NETLINK;
	msg->msg_namelen = sizeof(struct sockaddr_nl);
	msg->msg_flags = 0;
	return len;
}

time_t time(time_t *now)
{
	const time_t value = atoll(getenv("NOW"));

	if (now)
		*now = value;
	return value;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		struct addrinfo **found)
{
	int (*resolve)(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **found) = dlsym(RTLD_NEXT, "getaddrinfo");
	struct addrinfo numeric = *hints;
	static int asked;

	/* Do not ask the network. */
	numeric.ai_flags |= AI_NUMERICHOST;
	if (host && !strcmp(host, "later"))
		return asked++ < 40 ? EAI_AGAIN : resolve("192.0.2.1", service, hints, found);
	if (host && strcasecmp(host, "localhost"))
		hints = &numeric;
	return resolve(host, service, hints, found);
}

int usleep(useconds_t us)
{
	return 0;
}

int nanosleep(const struct timespec *span, struct timespec *left)
{
	return 0;
}
