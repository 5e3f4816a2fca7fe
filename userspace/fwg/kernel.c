// SPDX-License-Identifier: GPL-2.0
/* Sends requests to the kernel, and explains its errors. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/forkguard.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>

#include "complain.h"
#include "encode.h"
#include "kernel.h"
#include "netlink.h"

#define REPLACES_WIREGUARD "/sys/module/forkguard/parameters/replace_wireguard"

/* How often a dump is repeated if the configuration changes during it. */
#define DUMP_TRIES 64

/* An explanation for strerror() if the kernel sent no message. */
static const char *hint(int error)
{
	switch (error) {
	case -EPROTONOSUPPORT:
		return "the kernel module forkguard is not loaded";
	case -EPERM:
		return "requires CAP_NET_ADMIN";
	case -EOPNOTSUPP:
		return "not a forkguard interface";
	case -EPROTO:
		return "unexpected answer from the kernel";
	case -EINTR:
		return "it keeps changing";
	}
	return "";
}

static bool kernel_says_more(const struct netlink *nl, int error)
{
	return nl->message[0] && error != -EPROTONOSUPPORT && error != -ENODEV;
}

/* Like finish(). @word is the word that the kernel refused, or "". */
static int finish_with(struct netlink *nl, int error, const char *what, const char *name,
		       const char *word)
{
	const char *more = kernel_says_more(nl, error) ? nl->message : hint(error);

	if (error)
		complain("%s%s: %s%s%s%s%s%s%s", what, name, strerror(-error), *more ? " (" : "",
			 more, *more ? ")" : "", *word ? ": `" : "", word, *word ? "'" : "");
	netlink_close(nl);
	return error ? -1 : 0;
}

/* Closes the socket and prints what failed, if anything did. */
static int finish(struct netlink *nl, int error, const char *what, const char *name)
{
	return finish_with(nl, error, what, name, "");
}

static int add_name(struct name_list *list, const char *name)
{
	void *names = reallocarray(list->names, list->count + 1, sizeof(*list->names));

	if (!names)
		return -ENOMEM;
	list->names = names;
	strcpy(list->names[list->count++], name);
	return 0;
}

/* Does forkguard register the kind wireguard? WireGuard and forkguard never both do. */
static bool replaces_wireguard(void)
{
	FILE *file = fopen(REPLACES_WIREGUARD, "re");
	bool yes = file && getc(file) == 'Y';

	if (file)
		fclose(file);
	return yes;
}

static bool is_ours(const char *kind)
{
	return !strcmp(kind, FORKGUARD_GENL_NAME) ||
	       (!strcmp(kind, WG_GENL_NAME) && replaces_wireguard());
}

static bool is_forkguard(const struct nlattr *linkinfo)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, linkinfo)
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
		    !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
			return is_ours(mnl_attr_get_str(attr));
	return false;
}

static int read_link(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	const char *name = NULL;
	bool ours = false;

	mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(attr) == IFLA_IFNAME &&
		    !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) &&
		    mnl_attr_get_payload_len(attr) <= IFNAMSIZ)
			name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			ours = is_forkguard(attr);
	}
	return name && ours ? add_name(data, name) : 0;
}

static int ask_links(struct netlink *nl, struct name_list *list)
{
	int tries = DUMP_TRIES, ret;

	do {
		struct nlmsghdr *nlh = netlink_message(nl, RTM_GETLINK, NLM_F_DUMP);

		mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
		list->count = 0;
		ret = netlink_ask(nl, nlh, read_link, list);
	} while (ret == -EINTR && --tries);
	return ret;
}

int kernel_list_devices(struct name_list *list)
{
	struct netlink nl;
	int ret = netlink_open(&nl, NETLINK_ROUTE);

	list->names = NULL;
	list->count = 0;
	if (!ret)
		ret = ask_links(&nl, list);
	if (ret)
		free(list->names);
	return finish(&nl, ret, "Unable to list interfaces", "");
}

static int read_device(const struct nlmsghdr *nlh, void *data)
{
	return decode_device(nlh, data);
}

static int ask_device(struct netlink *nl, const char *name, struct device *dev)
{
	int tries = DUMP_TRIES, ret;

	do {
		struct nlmsghdr *nlh = netlink_command(nl, FORKGUARD_CMD_GET_DEVICE, NLM_F_DUMP);

		mnl_attr_put_strz(nlh, FORKGUARD_DEVICE_A_IFNAME, name);
		device_clear(dev);
		ret = netlink_ask(nl, nlh, read_device, dev);
	} while (ret == -EINTR && --tries);
	return ret;
}

int kernel_get_device(const char *name, struct device *dev)
{
	struct netlink nl;
	int ret = netlink_open_forkguard(&nl);

	if (!ret)
		ret = ask_device(&nl, name, dev);
	return finish(&nl, ret, "Unable to access interface ", name);
}

/* Makes the next message of @enc; returns false if it is the last one. */
static bool begin_set(struct netlink *nl, const struct device *dev, struct encoder *enc,
		      struct nlmsghdr **nlh)
{
	*nlh = netlink_command(nl, FORKGUARD_CMD_SET_DEVICE, NLM_F_ACK);
	return encode_device(enc, dev, *nlh, sizeof(nl->buffer));
}

int kernel_set_device(const struct device *dev, const char *file)
{
	struct netlink nl;
	struct encoder enc = { 0 }, before = { 0 };
	int ret = netlink_open_forkguard(&nl);
	struct nlmsghdr *nlh;
	bool more = true;

	while (!ret && more) {
		before = enc;
		more = begin_set(&nl, dev, &enc, &nlh);
		ret = netlink_ask(&nl, nlh, NULL, NULL);
	}
	/* The answer has overwritten the message: make it again to find the refused word. */
	if (ret && nl.offset) {
		before.asked = nl.offset;
		begin_set(&nl, dev, &before, &nlh);
	}
	if (before.line)
		complain_of(file, before.line);
	return finish_with(&nl, ret, "Unable to modify interface ", dev->name, before.word);
}

int kernel_reset(const char *name, const uint8_t *peer)
{
	char word[KEY_TEXT_SIZE] = "";
	struct netlink nl;
	int ret = netlink_open_forkguard(&nl);

	if (!ret) {
		struct nlmsghdr *nlh = netlink_command(&nl, FORKGUARD_CMD_RESET, NLM_F_ACK);
		size_t at;

		mnl_attr_put_strz(nlh, FORKGUARD_DEVICE_A_IFNAME, name);
		at = nlh->nlmsg_len;
		if (peer)
			mnl_attr_put(nlh, FORKGUARD_DEVICE_A_PEER_KEY, KEY_LEN, peer);
		ret = netlink_ask(&nl, nlh, NULL, NULL);
		if (peer && nl.offset == at)
			key_to_text(word, peer);
	}
	return finish_with(&nl, ret, "Unable to reset interface ", name, word);
}

int kernel_get_generation(struct generation *gen)
{
	struct device dev = { 0 };
	struct netlink nl;
	int ret = netlink_open_forkguard(&nl);

	if (!ret) {
		struct nlmsghdr *nlh =
			netlink_command(&nl, FORKGUARD_CMD_GET_GENERATION, NLM_F_ACK);

		ret = netlink_ask(&nl, nlh, read_device, &dev);
	}
	*gen = dev.generation;
	device_clear(&dev);
	return finish(&nl, ret, "Unable to read the generation", "");
}

struct watch {
	const struct netlink *nl;
	int (*print)(const struct event *event);
	bool stopped;
};

/* Does the generic netlink controller report that forkguard's family is gone? */
static bool is_farewell(const struct netlink *nl, const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (nlh->nlmsg_type != GENL_ID_CTRL || genl->cmd != CTRL_CMD_DELFAMILY)
		return false;
	mnl_attr_for_each(attr, nlh, sizeof(*genl))
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
		    !mnl_attr_validate(attr, MNL_TYPE_U16))
			return mnl_attr_get_u16(attr) == nl->family;
	return false;
}

static int read_event(const struct nlmsghdr *nlh, void *data)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	struct watch *watch = data;
	struct event event;
	int ret;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*genl))
		return -EPROTO;
	if (is_farewell(watch->nl, nlh))
		return -EPROTONOSUPPORT;
	if (nlh->nlmsg_type != watch->nl->family || genl->cmd != FORKGUARD_CMD_RESET_EVENT)
		return 0;
	ret = decode_event(nlh, &event);
	if (!ret && watch->print(&event)) {
		watch->stopped = true;
		return -ECANCELED;
	}
	return ret;
}

static int join(const struct netlink *nl, uint32_t group)
{
	return mnl_socket_setsockopt(nl->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) <
			       0 ?
		       -errno :
		       0;
}

int kernel_watch(int (*print)(const struct event *event))
{
	struct netlink nl;
	struct watch watch = { .nl = &nl, .print = print };
	int ret = netlink_open_forkguard(&nl);

	if (!ret)
		ret = join(&nl, nl.events);
	/*
	 * If the module is unloaded, only the controller reports it. Its group
	 * has the number of its family.
	 */
	if (!ret)
		ret = join(&nl, GENL_ID_CTRL);
	while (!ret) {
		ret = netlink_listen(&nl, read_event, &watch);
		if (ret == -ENOBUFS) {
			warnx("Events were lost: they arrived faster than they could be printed");
			ret = 0;
		}
	}
	if (watch.stopped) {
		netlink_close(&nl);
		return -1;
	}
	return finish(&nl, ret, "Unable to watch events", "");
}
