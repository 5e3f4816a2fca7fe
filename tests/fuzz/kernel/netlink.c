// SPDX-License-Identifier: GPL-2.0
/*
 * netlink: the netlink layer and its target. An input is a program that makes and
 * sends messages, well-formed or not, on two sockets of the family: one for commands
 * and one for dumps, so that the configuration changes during dumps. Messages take
 * the whole path, beginning with sendmsg() of the socket.
 *
 * Properties: a refused command and a query change nothing; the device stays
 * consistent; a dump is complete and correct.
 */

#include "../../../module/netlink.c"
#include "../../../module/netlink_set.c"

#include "fuzz.h"
#include "fuzz_noise.h"

#include <linux/file.h>
#include <linux/jhash.h>
#include <linux/net.h>
#include <linux/rtnetlink.h>

#undef fwg_netlink_init

#define ACTIONS 12
#define REQUEST_MAX 16384
#define REPLY_MAX 4096 /* short, so that dumps have many parts */
#define DUMP_PARTS 512
#define DEPTH 4
#define KEYS 8

/* The program's place in a message. */
enum nest {
	IN_DEVICE,
	IN_PEERS,
	IN_PEER,
	IN_ALLOWEDIPS
};

/**
 * struct fuzz_digest - a digest of a device, or of the contents of a dump
 * @hash: of all values, in their order in a dump
 * @peers: number of peers
 * @allowedips: number of allowed IPs
 */
struct fuzz_digest {
	u32 hash;
	unsigned int peers, allowedips;
};

struct talk {
	struct fwg_device *device;
	struct socket *commands, *dumps;
	bool dumping;
	u8 keys[KEYS][NOISE_PUBLIC_KEY_LEN]; /* odd ones are public keys of those before */

	u8 request[REQUEST_MAX];
	size_t len;
	struct nlattr *nests[DEPTH];
	unsigned int depth;
	u8 reply[REPLY_MAX];

	/* The dump that is being read. */
	struct fuzz_digest told;
	bool told_device;
	u8 told_peer[NOISE_PUBLIC_KEY_LEN];
};

static struct talk *talk;

static void digest(struct fuzz_digest *digest, const void *data, size_t len)
{
	digest->hash = jhash(data, len, digest->hash);
}

static void digest_allowedip(struct fuzz_digest *sum, u16 family, const void *addr, u8 cidr)
{
	digest(sum, &family, sizeof(family));
	digest(sum, addr, family == AF_INET ? 4 : 16);
	digest(sum, &cidr, sizeof(cidr));
	sum->allowedips++;
}

static void digest_peer(struct fuzz_digest *sum, struct fwg_peer *peer)
{
	const struct sockaddr *addr = &peer->path.endpoint.addr;
	const struct allowedip *ip;
	u8 psk[NOISE_SYMMETRIC_KEY_LEN];

	digest(sum, fwg_noise_peer_public_key(peer->noise), NOISE_PUBLIC_KEY_LEN);
	fwg_noise_peer_psk(peer->noise, psk);
	digest(sum, psk, sizeof(psk));
	if (addr->sa_family)
		digest(sum, addr,
		       addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) :
						    sizeof(struct sockaddr_in6));
	digest(sum, &peer->timers.keepalive_interval, sizeof(peer->timers.keepalive_interval));
	sum->peers++;
	list_for_each_entry(ip, &peer->allowed, in_peer) {
		FUZZ_EXPECT(rcu_access_pointer(ip->peer) == peer);
		digest_allowedip(sum, ip->key.family, ip->key.addr, ip->key.cidr);
	}
}

static unsigned int count_lengths(const struct allowedips_family *family)
{
	unsigned int i, sum = 0;

	for (i = 0; i < ARRAY_SIZE(family->count); i++) {
		sum += family->count[i];
		FUZZ_EXPECT(!family->count[i] == !test_bit(128 - i, family->lengths));
	}
	return sum;
}

/* The device's digest. */
static struct fuzz_digest look(void)
{
	struct fwg_device *device = talk->device;
	u8 private_key[NOISE_PUBLIC_KEY_LEN], public_key[NOISE_PUBLIC_KEY_LEN];
	struct fuzz_digest sum = {};
	struct fwg_peer *peer;

	mutex_lock(&device->lock);
	if (fwg_noise_local_identity(device->noise, private_key, public_key)) {
		digest(&sum, private_key, sizeof(private_key));
		digest(&sum, public_key, sizeof(public_key));
	}
	digest(&sum, &device->sockets.port, sizeof(device->sockets.port));
	digest(&sum, &device->sockets.fwmark, sizeof(device->sockets.fwmark));
	list_for_each_entry(peer, &device->peers, list) {
		FUZZ_EXPECT(!peer->dead);
		digest_peer(&sum, peer);
	}
	FUZZ_EXPECT(sum.peers == device->num_peers);
	FUZZ_EXPECT(sum.allowedips == atomic_read(&device->allowedips.table.nelems));
	FUZZ_EXPECT(sum.allowedips ==
		    count_lengths(&device->allowedips.v4) + count_lengths(&device->allowedips.v6));
	mutex_unlock(&device->lock);
	return sum;
}

/* Read an allowed IP, a peer and the device from a dump. */
static void hear_allowedip(const struct nlattr *nest)
{
	struct nlattr *attrs[FORKGUARD_ALLOWEDIP_A_MAX + 1];

	FUZZ_EXPECT(!fwg_check_allowedip(nest, attrs, NULL));
	digest_allowedip(&talk->told, nla_get_u16(attrs[FORKGUARD_ALLOWEDIP_A_FAMILY]),
			 nla_data(attrs[FORKGUARD_ALLOWEDIP_A_IPADDR]),
			 nla_get_u8(attrs[FORKGUARD_ALLOWEDIP_A_CIDR_MASK]));
}

static void hear_peer(const struct nlattr *nest)
{
	struct nlattr *attrs[FORKGUARD_PEER_A_MAX + 1];
	const struct nlattr *ip;
	u16 keepalive;
	int rem;

	if (nla_parse_nested_deprecated(attrs, FORKGUARD_PEER_A_MAX, nest, NULL, NULL) ||
	    !attrs[FORKGUARD_PEER_A_PUBLIC_KEY]) {
		FUZZ_EXPECT(!"a peer that makes no sense");
		return;
	}
	if (attrs[FORKGUARD_PEER_A_PRESHARED_KEY]) {
		nla_memcpy(talk->told_peer, attrs[FORKGUARD_PEER_A_PUBLIC_KEY],
			   sizeof(talk->told_peer));
		digest(&talk->told, talk->told_peer, sizeof(talk->told_peer));
		digest(&talk->told, nla_data(attrs[FORKGUARD_PEER_A_PRESHARED_KEY]),
		       nla_len(attrs[FORKGUARD_PEER_A_PRESHARED_KEY]));
		if (attrs[FORKGUARD_PEER_A_ENDPOINT])
			digest(&talk->told, nla_data(attrs[FORKGUARD_PEER_A_ENDPOINT]),
			       nla_len(attrs[FORKGUARD_PEER_A_ENDPOINT]));
		keepalive = nla_get_u16(attrs[FORKGUARD_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL]);
		digest(&talk->told, &keepalive, sizeof(keepalive));
		talk->told.peers++;
	} else {
		fuzz_count("peers continued in the next message");
	}
	if (!attrs[FORKGUARD_PEER_A_ALLOWEDIPS])
		return;
	FUZZ_EXPECT(nla_len(attrs[FORKGUARD_PEER_A_ALLOWEDIPS]));
	nla_for_each_nested(ip, attrs[FORKGUARD_PEER_A_ALLOWEDIPS], rem)
		hear_allowedip(ip);
}

static void hear_device(const struct nlmsghdr *nlh)
{
	struct nlattr *attrs[FORKGUARD_DEVICE_A_MAX + 1];
	const struct nlattr *peer;
	u32 mark;
	u16 port;
	int rem;

	if (nlmsg_parse_deprecated(nlh, GENL_HDRLEN, attrs, FORKGUARD_DEVICE_A_MAX, NULL, NULL)) {
		FUZZ_EXPECT(!"a message that makes no sense");
		return;
	}
	/* Messages repeat the device until one of its peers is complete. */
	if (attrs[FORKGUARD_DEVICE_A_LISTEN_PORT] && !talk->told_device) {
		talk->told_device = true;
		if (attrs[FORKGUARD_DEVICE_A_PRIVATE_KEY]) {
			digest(&talk->told, nla_data(attrs[FORKGUARD_DEVICE_A_PRIVATE_KEY]),
			       NOISE_PUBLIC_KEY_LEN);
			digest(&talk->told, nla_data(attrs[FORKGUARD_DEVICE_A_PUBLIC_KEY]),
			       NOISE_PUBLIC_KEY_LEN);
		}
		port = nla_get_u16(attrs[FORKGUARD_DEVICE_A_LISTEN_PORT]);
		digest(&talk->told, &port, sizeof(port));
		mark = nla_get_u32(attrs[FORKGUARD_DEVICE_A_FWMARK]);
		digest(&talk->told, &mark, sizeof(mark));
	}
	if (!attrs[FORKGUARD_DEVICE_A_PEERS])
		return;
	FUZZ_EXPECT(nla_len(attrs[FORKGUARD_DEVICE_A_PEERS]));
	nla_for_each_nested(peer, attrs[FORKGUARD_DEVICE_A_PEERS], rem)
		hear_peer(peer);
}

/*
 * Read the answer, at most one buffer. Returns a positive number if there may be
 * more; otherwise 0 or the kernel's error.
 */
static int hear(struct socket *sock)
{
	struct kvec vec = { talk->reply, sizeof(talk->reply) };
	struct msghdr msg = {};
	struct nlmsghdr *nlh;
	int len, err = 1;

	len = kernel_recvmsg(sock, &msg, &vec, 1, sizeof(talk->reply), MSG_DONTWAIT);
	if (len <= 0)
		return len == -EAGAIN ? 0 : len;
	FUZZ_EXPECT(!(msg.msg_flags & MSG_TRUNC));
	for (nlh = (struct nlmsghdr *)talk->reply; nlmsg_ok(nlh, len);
	     nlh = nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_type == NLMSG_DONE)
			err = 0;
		else if (nlh->nlmsg_type == NLMSG_ERROR)
			err = ((struct nlmsgerr *)nlmsg_data(nlh))->error;
		else if (nlh->nlmsg_type == family.id)
			hear_device(nlh);
	}
	return err;
}

static int hear_all(struct socket *sock)
{
	int err, last = 0, parts = 0;

	while ((err = hear(sock)) > 0 && parts++ < DUMP_PARTS)
		;
	FUZZ_EXPECT(parts < DUMP_PARTS);
	/* Read messages after an error, or after the end of a dump. */
	while (err && err != -EAGAIN && parts++ < DUMP_PARTS) {
		last = err;
		err = hear(sock);
		if (err == last)
			break;
	}
	return last ?: err;
}

static void *put(size_t len)
{
	void *at = talk->request + talk->len;

	if (talk->len + NLMSG_ALIGN(len) > REQUEST_MAX)
		return NULL;
	memset(at, 0, NLMSG_ALIGN(len));
	talk->len += NLMSG_ALIGN(len);
	return at;
}

static struct nlattr *put_attr(u16 type, const void *data, size_t len)
{
	struct nlattr *attr = put(nla_attr_size(len));

	if (!attr)
		return NULL;
	attr->nla_type = type;
	attr->nla_len = nla_attr_size(len);
	if (data)
		memcpy(nla_data(attr), data, len);
	return attr;
}

static void open_nest(u16 type)
{
	if (talk->depth < DEPTH) {
		talk->nests[talk->depth] = put_attr(type | NLA_F_NESTED, NULL, 0);
		if (talk->nests[talk->depth])
			talk->depth++;
	}
}

static void close_nest(void)
{
	struct nlattr *nest;

	if (!talk->depth)
		return;
	nest = talk->nests[--talk->depth];
	nest->nla_len = talk->request + talk->len - (u8 *)nest;
}

static void put_endpoint_of(struct fuzz_input *in)
{
	struct sockaddr_in6 addr = {};
	bool v6 = fuzz_u8(in) & 1;

	addr.sin6_family = v6 ? AF_INET6 : AF_INET;
	fuzz_bytes(in, (u8 *)&addr.sin6_port, 6);
	put_attr(FORKGUARD_PEER_A_ENDPOINT, &addr, v6 ? sizeof(addr) : sizeof(struct sockaddr_in));
}

static void put_allowedip_of(u8 family, const u8 *addr, u8 cidr)
{
	u16 af = family & 1 ? AF_INET6 : AF_INET;
	u8 mask = cidr % (family & 1 ? 130 : 34);
	u32 flags = FORKGUARD_ALLOWEDIP_F_REMOVE_ME;

	open_nest(0);
	put_attr(FORKGUARD_ALLOWEDIP_A_FAMILY, &af, sizeof(af));
	put_attr(FORKGUARD_ALLOWEDIP_A_IPADDR, addr, family & 1 ? 16 : 4);
	put_attr(FORKGUARD_ALLOWEDIP_A_CIDR_MASK, &mask, sizeof(mask));
	if (cidr & 0x80)
		put_attr(FORKGUARD_ALLOWEDIP_A_FLAGS, &flags, sizeof(flags));
	close_nest();
}

static void put_key(u16 type, u8 choice)
{
	static const u8 zero[NOISE_PUBLIC_KEY_LEN];

	put_attr(type, choice & 0x80 ? zero : talk->keys[choice % KEYS], NOISE_PUBLIC_KEY_LEN);
}

static void put_number(struct fuzz_input *in, u16 type, size_t len)
{
	u8 number[4] = {};

	fuzz_bytes(in, number, len);
	put_attr(type, number, len);
}

/* Put any attribute, or bytes that need not be one. */
static void put_anything(struct fuzz_input *in)
{
	u8 type = fuzz_u8(in), len = fuzz_u8(in), off = fuzz_u8(in), data[255] = {};
	struct nlattr *attr;

	fuzz_bytes(in, data, len);
	attr = put_attr(type, data, len);
	if (attr && off & 0x80)
		attr->nla_len += (s8)(off << 1);
	if (attr && off & 1)
		attr->nla_type |= NLA_F_NESTED;
}

static void put_many(struct fuzz_input *in, enum nest in_what)
{
	unsigned int n = fuzz_u8(in), i;
	u8 addr[16] = { 10 }, key[NOISE_PUBLIC_KEY_LEN] = {};

	for (i = 0; i < n; i++) {
		if (in_what == IN_ALLOWEDIPS) {
			addr[1] = i;
			put_allowedip_of(n, addr, 32);
		} else if (in_what == IN_PEERS) {
			key[0] = i;
			key[1] = 1;
			open_nest(0);
			put_attr(FORKGUARD_PEER_A_PUBLIC_KEY, key, sizeof(key));
			close_nest();
		}
	}
}

static void put_in_device(struct fuzz_input *in, u8 what)
{
	const struct net_device *dev = talk->device->dev;

	switch (what) {
	case 0:
		put_attr(FORKGUARD_DEVICE_A_IFNAME, dev->name, strlen(dev->name) + 1);
		break;
	case 1:
		put_attr(FORKGUARD_DEVICE_A_IFINDEX, &dev->ifindex, sizeof(dev->ifindex));
		break;
	case 2:
		put_key(FORKGUARD_DEVICE_A_PRIVATE_KEY, fuzz_u8(in));
		break;
	case 3:
		put_number(in, FORKGUARD_DEVICE_A_FLAGS, 1);
		((struct nlattr *)(talk->request + talk->len - 8))->nla_len = 8;
		break;
	case 4:
		put_number(in, FORKGUARD_DEVICE_A_LISTEN_PORT, 2);
		break;
	case 5:
		put_number(in, FORKGUARD_DEVICE_A_FWMARK, 4);
		break;
	case 6:
		put_key(FORKGUARD_DEVICE_A_PEER_KEY, fuzz_u8(in));
		break;
	default:
		open_nest(FORKGUARD_DEVICE_A_PEERS);
		break;
	}
}

static void put_in_peer(struct fuzz_input *in, u8 what)
{
	u32 flags;

	switch (what) {
	case 0:
		put_key(FORKGUARD_PEER_A_PUBLIC_KEY, fuzz_u8(in));
		break;
	case 1:
		put_key(FORKGUARD_PEER_A_PRESHARED_KEY, fuzz_u8(in));
		break;
	case 2:
		flags = fuzz_u8(in) & 15;
		put_attr(FORKGUARD_PEER_A_FLAGS, &flags, sizeof(flags));
		break;
	case 3:
		put_endpoint_of(in);
		break;
	case 4:
		put_number(in, FORKGUARD_PEER_A_PERSISTENT_KEEPALIVE_INTERVAL, 2);
		break;
	case 5:
		flags = fuzz_u8(in) & 3;
		put_attr(FORKGUARD_PEER_A_PROTOCOL_VERSION, &flags, sizeof(flags));
		break;
	default:
		open_nest(FORKGUARD_PEER_A_ALLOWEDIPS);
		break;
	}
}

/* Put a part of a message, valid at its place or not. */
static void put_part(struct fuzz_input *in, u8 what)
{
	u8 addr[16] = {};

	if (what & 0x80) {
		close_nest();
		return;
	}
	if (what & 0x40) {
		put_anything(in);
		return;
	}
	if (what & 0x20) {
		put_many(in, talk->depth);
		return;
	}
	switch (talk->depth) {
	case IN_DEVICE:
		put_in_device(in, what & 7);
		break;
	case IN_PEERS:
		open_nest(0);
		put_key(FORKGUARD_PEER_A_PUBLIC_KEY, what & 7);
		break;
	case IN_PEER:
		put_in_peer(in, what & 7);
		break;
	case IN_ALLOWEDIPS:
		fuzz_bytes(in, addr, what & 1 ? 16 : 4);
		put_allowedip_of(what, addr, fuzz_u8(in));
		break;
	}
}

static struct nlmsghdr *begin_message(u8 cmd, u16 flags)
{
	struct genlmsghdr *genl;
	struct nlmsghdr *nlh;

	talk->len = 0;
	talk->depth = 0;
	nlh = put(NLMSG_HDRLEN);
	genl = put(GENL_HDRLEN);
	nlh->nlmsg_type = family.id;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	genl->cmd = cmd;
	return nlh;
}

static void make_message(struct fuzz_input *in)
{
	static const u8 commands[] = { FORKGUARD_CMD_SET_DEVICE, FORKGUARD_CMD_SET_DEVICE,
				       FORKGUARD_CMD_SET_DEVICE, FORKGUARD_CMD_GET_DEVICE,
				       FORKGUARD_CMD_RESET,	 FORKGUARD_CMD_GET_GENERATION,
				       FORKGUARD_CMD_RESET_EVENT };
	u8 head = fuzz_u8(in), parts = fuzz_u8(in) % 64;
	u8 cmd = (head & 7) < ARRAY_SIZE(commands) ? commands[head & 7] : fuzz_u8(in);
	struct nlmsghdr *nlh = begin_message(cmd, NLM_F_ACK);
	struct genlmsghdr *genl = nlmsg_data(nlh);

	genl->version = FORKGUARD_GENL_VERSION;
	if (cmd == FORKGUARD_CMD_GET_DEVICE || head & 0x80)
		nlh->nlmsg_flags |= NLM_F_DUMP;
	if (!(head & 8))
		put_in_device(in, head >> 4 & 1);
	while (parts--)
		put_part(in, fuzz_u8(in));
	while (talk->depth)
		close_nest();
	if (head & 0x40 && !(head & 0x20)) {
		/* Cut off or pad the message. */
		talk->len =
			clamp_t(int, (int)talk->len + (s8)fuzz_u8(in), NLMSG_HDRLEN, REQUEST_MAX);
	}
	nlh->nlmsg_len = talk->len;
}

static void make_raw_message(struct fuzz_input *in)
{
	struct nlmsghdr *nlh;

	talk->len = 0;
	nlh = put(NLMSG_HDRLEN);
	talk->len += fuzz_bytes(in, talk->request + talk->len, fuzz_u16(in) % 512);
	nlh->nlmsg_len = talk->len;
	nlh->nlmsg_type = family.id;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
}

static void say(struct socket *sock)
{
	struct kvec vec = { talk->request, talk->len };
	struct msghdr msg = {};

	kernel_sendmsg(sock, &msg, &vec, 1, talk->len);
	fuzz_count("messages");
}

static void forget_told(void)
{
	talk->told = (struct fuzz_digest){};
	talk->told_device = false;
}

static void command(void)
{
	const struct nlmsghdr *nlh = (void *)talk->request;
	const struct genlmsghdr *genl = nlmsg_data(nlh);
	struct fuzz_digest before = look(), after;
	u8 cmd = talk->len < NLMSG_HDRLEN + GENL_HDRLEN ? U8_MAX : genl->cmd;
	int err;

	say(talk->commands);
	forget_told();
	err = hear_all(talk->commands);
	after = look();
	fuzz_feature(cmd * 31 + -err);
	if (err || cmd != FORKGUARD_CMD_SET_DEVICE) {
		FUZZ_EXPECT(!memcmp(&before, &after, sizeof(before)));
		fuzz_count(err ? "commands refused" : "questions answered");
	} else {
		fuzz_count("commands obeyed");
	}
}

static void make_dump(void)
{
	struct nlmsghdr *nlh = begin_message(FORKGUARD_CMD_GET_DEVICE, NLM_F_DUMP);

	put_in_device(NULL, 0);
	nlh->nlmsg_len = talk->len;
}

/* A dump without changes meanwhile must be correct. */
static void dump_all(void)
{
	struct fuzz_digest is = look();

	make_dump();
	say(talk->commands);
	forget_told();
	FUZZ_EXPECT(!hear_all(talk->commands));
	FUZZ_EXPECT(talk->told.peers == is.peers);
	FUZZ_EXPECT(talk->told.allowedips == is.allowedips);
	FUZZ_EXPECT(talk->told.hash == is.hash);
	fuzz_count("dumps");
}

static void dump_begin(void)
{
	if (talk->dumping)
		return;
	make_dump();
	say(talk->dumps);
	talk->dumping = true;
}

static void dump_go_on(void)
{
	if (talk->dumping && hear(talk->dumps) <= 0)
		talk->dumping = false;
	fuzz_count("parts of dumps in between");
}

static void dump_end(void)
{
	unsigned int parts = 0;

	while (talk->dumping && parts++ < DUMP_PARTS)
		dump_go_on();
	FUZZ_EXPECT(!talk->dumping);
}

static void set_up(bool up)
{
	rtnl_lock();
	if (up)
		dev_open(talk->device->dev, NULL);
	else
		dev_close(talk->device->dev);
	rtnl_unlock();
}

static void restart(void)
{
	static const u8 none[NOISE_PUBLIC_KEY_LEN];
	struct fwg_device *device = talk->device;

	dump_end();
	if (netif_running(device->dev))
		set_up(false);
	mutex_lock(&device->lock);
	fwg_peer_remove_all(device);
	fwg_noise_local_set_private_key(device->noise, none);
	device->sockets.port = 0;
	device->sockets.fwmark = 0;
	mutex_unlock(&device->lock);
	fuzz_noise_restart();
}

static void run_netlink(const u8 *input, size_t len)
{
	struct fuzz_input in = { input, input + len };
	unsigned int actions = 0;

	fuzz_count("inputs");
	restart();
	while (in.at < in.end && actions++ < ACTIONS) {
		switch (fuzz_u8(&in) & 15) {
		default:
			make_message(&in);
			command();
			break;
		case 9:
			make_raw_message(&in);
			command();
			break;
		case 10:
			set_up(fuzz_u8(&in) & 1);
			break;
		case 11:
			dump_all();
			break;
		case 12:
			dump_begin();
			break;
		case 13:
			dump_go_on();
			break;
		}
	}
	if (actions > 1)
		dump_all();
}

static struct socket *open_socket(void)
{
	struct socket *sock;
	struct file *file;
	int one = 1;

	if (sock_create_kern(&init_net, AF_NETLINK, SOCK_RAW, NETLINK_GENERIC, &sock))
		return NULL;
	/* Permission checks need the socket's file. */
	file = sock_alloc_file(sock, O_CLOEXEC, NULL);
	if (IS_ERR(file))
		return NULL;
	sock->ops->setsockopt(sock, SOL_NETLINK, NETLINK_EXT_ACK, KERNEL_SOCKPTR(&one),
			      sizeof(one));
	/* An error need not repeat the request. */
	sock->ops->setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, KERNEL_SOCKPTR(&one),
			      sizeof(one));
	return sock;
}

static void end_netlink(void)
{
	if (talk->device) {
		if (talk->commands && talk->dumps)
			restart();
		dev_put(talk->device->dev);
	}
	if (talk->commands)
		fput(talk->commands->file);
	if (talk->dumps)
		fput(talk->dumps->file);
	kfree(talk);
	talk = NULL;
}

/* The interface fwg0 is there. */
static int begin_netlink(void)
{
	struct net_device *dev = dev_get_by_name(&init_net, "fwg0");
	int i;

	talk = kzalloc(sizeof(*talk), GFP_KERNEL);
	if (!talk || !dev || !fwg_device_is_forkguard(dev)) {
		dev_put(dev);
		kfree(talk);
		return -ENODEV;
	}
	talk->device = netdev_priv(dev);
	talk->commands = open_socket();
	talk->dumps = open_socket();
	if (!talk->commands || !talk->dumps) {
		end_netlink();
		return -ENOMEM;
	}
	for (i = 0; i < KEYS; i++) {
		memset(talk->keys[i], i + 1, NOISE_PUBLIC_KEY_LEN);
		curve25519_clamp_secret(talk->keys[i]);
		/* A device can't be its own peer: the input must be able to try. */
		if (i % 2 && !curve25519_generate_public(talk->keys[i], talk->keys[i - 1]))
			talk->keys[i][0]++;
	}
	return 0;
}

const struct fuzz_target fuzz_netlink = {
	.name = "fuzz-netlink",
	.begin = begin_netlink,
	.run = run_netlink,
	.end = end_netlink,
};
