// SPDX-License-Identifier: GPL-2.0
/* From a captured frame to the UDP payload in it. */
#include "packet.h"

#include <pcap/dlt.h>

#include "bytes.h"

/* CARRIES when the next @n bytes may be read. */
static enum fate need(const struct view *v, size_t n)
{
	if (n > v->len)
		return MALFORMED;
	return n > v->have ? CUT : CARRIES;
}

static void skip(struct view *v, size_t n)
{
	v->p += n;
	v->have -= n;
	v->len -= n;
}

/* Drops what lies behind the packet, such as the padding of a short frame. */
static void trim(struct view *v, size_t len)
{
	if (len < v->len)
		v->len = len;
	if (v->have > v->len)
		v->have = v->len;
}

static enum fate udp(struct view *v)
{
	enum fate fate = need(v, 8);
	size_t len;

	if (fate != CARRIES)
		return fate;
	len = get_be16(v->p + 4);
	if (len < 8 || len > v->len)
		return MALFORMED;
	trim(v, len);
	skip(v, 8);
	return CARRIES;
}

static enum fate ipv4(struct view *v)
{
	enum fate fate = need(v, 20);
	size_t header, total;

	if (fate != CARRIES)
		return fate;
	header = (v->p[0] & 15) * 4;
	if (v->p[0] >> 4 != 4 || header < 20)
		return MALFORMED;
	if (v->p[9] != 17)
		return OTHER;
	if (get_be16(v->p + 6) & 0x3fff)
		return FRAGMENT;
	fate = need(v, header);
	if (fate != CARRIES)
		return fate;
	total = get_be16(v->p + 2);
	if (total < header || total > v->len)
		return MALFORMED;
	trim(v, total);
	skip(v, header);
	return udp(v);
}

static bool ipv6_extension(uint8_t next)
{
	switch (next) {
	case 0: /* hop by hop */
	case 43: /* routing */
	case 44: /* fragment */
	case 51: /* authentication */
	case 60: /* destination options */
	case 135: /* mobility */
	case 139: /* host identity */
	case 140: /* shim6 */
		return true;
	}
	return false;
}

static enum fate ipv6(struct view *v)
{
	enum fate fate = need(v, 40);
	size_t header, total;
	uint8_t next;

	if (fate != CARRIES)
		return fate;
	if (v->p[0] >> 4 != 6)
		return MALFORMED;
	next = v->p[6];
	total = get_be16(v->p + 4);
	skip(v, 40);
	/* No length means a jumbogram, and a length too great is left for UDP to find. */
	if (total)
		trim(v, total);

	while (ipv6_extension(next)) {
		fate = need(v, 8);
		if (fate != CARRIES)
			return fate;
		if (next == 44) {
			header = 8;
			/* A fragment at offset 0 with none to follow is a whole packet. */
			if (get_be16(v->p + 2) & 0xfff9)
				return v->p[0] == 17 || ipv6_extension(v->p[0]) ? FRAGMENT : OTHER;
		} else if (next == 51) {
			header = (v->p[1] + 2) * 4;
		} else {
			header = (v->p[1] + 1) * 8;
		}
		fate = need(v, header);
		if (fate != CARRIES)
			return fate;
		next = v->p[0];
		skip(v, header);
	}
	return next == 17 ? udp(v) : OTHER;
}

static enum fate ip(struct view *v)
{
	enum fate fate = need(v, 1);

	if (fate != CARRIES)
		return fate;
	return v->p[0] >> 4 == 6 ? ipv6(v) : ipv4(v);
}

/* What follows an Ethernet type, behind any number of VLAN tags. */
static enum fate ethertype(uint16_t type, struct view *v)
{
	enum fate fate;

	while (type == 0x8100 || type == 0x88a8 || type == 0x9100) {
		fate = need(v, 4);
		if (fate != CARRIES)
			return fate;
		type = get_be16(v->p + 2);
		skip(v, 4);
	}
	if (type == 0x0800)
		return ipv4(v);
	if (type == 0x86dd)
		return ipv6(v);
	return OTHER;
}

/* An address family as the capturing system numbers it. */
static enum fate family(uint32_t family, struct view *v)
{
	switch (family) {
	case 2:
		return ipv4(v);
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* Darwin */
		return ipv6(v);
	}
	return OTHER;
}

/* The link header: how long it is, and where in it the Ethernet type is. */
/* clang-format off */
static const struct link {
	int link;
	uint8_t header, type;
} links[] = {
	{ DLT_EN10MB, 14, 12 },
	{ DLT_LINUX_SLL, 16, 14 },
	{ DLT_LINUX_SLL2, 20, 0 },
	{ DLT_NULL, 4, 0 },
	{ DLT_LOOP, 4, 0 },
	{ DLT_RAW, 0, 0 },
	{ DLT_IPV4, 0, 0 },
	{ DLT_IPV6, 0, 0 },
};

/* clang-format on */

static const struct link *find_link(int link)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		if (links[i].link == link)
			return &links[i];
	return NULL;
}

bool packet_link_known(int link)
{
	return find_link(link);
}

enum fate packet_payload(int link, struct view frame, struct view *payload)
{
	const struct link *l = find_link(link);
	const uint8_t *header = frame.p;
	enum fate fate;
	uint32_t af;

	if (!l)
		return MALFORMED;
	fate = need(&frame, l->header);
	if (fate != CARRIES)
		return fate;
	*payload = frame;
	skip(payload, l->header);

	switch (link) {
	case DLT_NULL:
		/* In the byte order of whoever captured; families are small numbers. */
		af = get_be32(header);
		return family(af < 0x10000 ? af : get_le32(header), payload);
	case DLT_LOOP:
		return family(get_be32(header), payload);
	case DLT_RAW:
		return ip(payload);
	case DLT_IPV4:
		return ipv4(payload);
	case DLT_IPV6:
		return ipv6(payload);
	default:
		return ethertype(get_be16(header + l->type), payload);
	}
}
