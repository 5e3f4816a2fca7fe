// SPDX-License-Identifier: GPL-2.0
/* Finds the UDP payload in a captured frame. */
#include "packet.h"

#include <pcap/dlt.h>

#include "bytes.h"

/* Returns CARRIES if the next @n bytes may be read. */
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

/* Cuts off bytes after the packet, such as the padding of a short frame. */
static void trim(struct view *v, size_t len)
{
	if (len < v->len)
		v->len = len;
	if (v->have > v->len)
		v->have = v->len;
}

/* The fate of a packet that is not UDP: TUNNELED for IP protocols that carry packets. */
static enum fate not_udp(uint8_t protocol)
{
	switch (protocol) {
	case 4: /* IPv4 */
	case 41: /* IPv6 */
	case 47: /* GRE */
	case 50: /* ESP */
	case 97: /* EtherIP */
	case 115: /* L2TP */
	case 137: /* MPLS */
		return TUNNELED;
	}
	return OTHER;
}

static void set_endpoint(struct endpoint *endpoint, const uint8_t *address, size_t len)
{
	endpoint->address = address;
	endpoint->len = len;
}

static enum fate udp(struct datagram *d)
{
	struct view *v = &d->payload;
	enum fate fate = need(v, 8);
	size_t len;

	if (fate != CARRIES)
		return fate;
	d->from.port = get_be16(v->p);
	d->to.port = get_be16(v->p + 2);
	len = get_be16(v->p + 4);
	if (len < 8 || len > v->len)
		return MALFORMED;
	trim(v, len);
	skip(v, 8);
	return CARRIES;
}

static enum fate ipv4(struct datagram *d)
{
	struct view *v = &d->payload;
	enum fate fate = need(v, 20);
	size_t header, total;

	if (fate != CARRIES)
		return fate;
	header = (v->p[0] & 15) * 4;
	if (v->p[0] >> 4 != 4 || header < 20)
		return MALFORMED;
	if (v->p[9] != 17)
		return not_udp(v->p[9]);
	if (get_be16(v->p + 6) & 0x3fff)
		return FRAGMENT;
	fate = need(v, header);
	if (fate != CARRIES)
		return fate;
	total = get_be16(v->p + 2);
	if (total < header || total > v->len)
		return MALFORMED;
	trim(v, total);
	set_endpoint(&d->from, v->p + 12, 4);
	set_endpoint(&d->to, v->p + 16, 4);
	skip(v, header);
	return udp(d);
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

static enum fate ipv6(struct datagram *d)
{
	struct view *v = &d->payload;
	enum fate fate = need(v, 40);
	size_t header, total;
	uint8_t next;

	if (fate != CARRIES)
		return fate;
	if (v->p[0] >> 4 != 6)
		return MALFORMED;
	next = v->p[6];
	total = get_be16(v->p + 4);
	set_endpoint(&d->from, v->p + 8, 16);
	set_endpoint(&d->to, v->p + 24, 16);
	skip(v, 40);
	/* No length means a jumbogram. A length that is too great is found with UDP. */
	if (total)
		trim(v, total);

	while (ipv6_extension(next)) {
		fate = need(v, 8);
		if (fate != CARRIES)
			return fate;
		if (next == 44) {
			header = 8;
			/* A fragment at offset 0 without more fragments is a whole packet. */
			if (get_be16(v->p + 2) & 0xfff9)
				return v->p[0] == 17 || ipv6_extension(v->p[0]) ? FRAGMENT :
										  not_udp(v->p[0]);
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
	return next == 17 ? udp(d) : not_udp(next);
}

static enum fate ip(struct datagram *d)
{
	enum fate fate = need(&d->payload, 1);

	if (fate != CARRIES)
		return fate;
	return d->payload.p[0] >> 4 == 6 ? ipv6(d) : ipv4(d);
}

/* PPP, with or without address and control bytes, with a protocol field of one byte or two. */
static enum fate ppp(struct datagram *d)
{
	struct view *v = &d->payload;
	enum fate fate = need(v, 2);
	uint16_t protocol;

	if (fate == CARRIES && v->p[0] == 0xff && v->p[1] == 3) {
		skip(v, 2);
		fate = need(v, 2);
	}
	if (fate != CARRIES)
		return fate;
	protocol = v->p[0] & 1 ? v->p[0] : get_be16(v->p);
	skip(v, v->p[0] & 1 ? 1 : 2);
	switch (protocol) {
	case 0x21:
		return ipv4(d);
	case 0x57:
		return ipv6(d);
	case 0x3d: /* multilink */
	case 0xfd: /* compressed */
	case 0x281: /* MPLS */
		return TUNNELED;
	}
	return OTHER;
}

static enum fate pppoe(struct datagram *d)
{
	struct view *v = &d->payload;
	enum fate fate = need(v, 6);
	size_t len;

	if (fate != CARRIES)
		return fate;
	/* Version 1, type 1, and code 0, which is data. */
	if (get_be16(v->p) != 0x1100)
		return OTHER;
	len = get_be16(v->p + 4);
	skip(v, 6);
	if (len > v->len)
		return MALFORMED;
	trim(v, len);
	return ppp(d);
}

/* The payload of an Ethernet type, after any number of VLAN tags. */
static enum fate ethertype(uint16_t type, struct datagram *d)
{
	struct view *v = &d->payload;
	enum fate fate;

	while (type == 0x8100 || type == 0x88a8 || type == 0x9100) {
		fate = need(v, 4);
		if (fate != CARRIES)
			return fate;
		type = get_be16(v->p + 2);
		skip(v, 4);
	}
	switch (type) {
	case 0x0800:
		return ipv4(d);
	case 0x86dd:
		return ipv6(d);
	case 0x8864:
		return pppoe(d);
	case 0x6558: /* Ethernet */
	case 0x8847: /* MPLS */
	case 0x8848:
	case 0x88e5: /* MACsec */
	case 0x88e7: /* provider backbone bridging */
		return TUNNELED;
	}
	return OTHER;
}

/* The payload of an address family, by the number that the capturing system uses. */
static enum fate family(uint32_t family, struct datagram *d)
{
	switch (family) {
	case 2:
		return ipv4(d);
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* Darwin */
		return ipv6(d);
	}
	return OTHER;
}

/* Link headers: their length, and the offset of the Ethernet type in them. */
/* clang-format off */
static const struct link {
	int link;
	uint8_t header, type;
} links[] = {
	{ DLT_EN10MB, 14, 12 },
	{ DLT_LINUX_SLL, 16, 14 },
	{ DLT_LINUX_SLL2, 20, 0 },
	{ DLT_C_HDLC, 4, 2 },
	{ DLT_NULL, 4, 0 },
	{ DLT_LOOP, 4, 0 },
	{ DLT_RAW, 0, 0 },
	{ DLT_IPV4, 0, 0 },
	{ DLT_IPV6, 0, 0 },
	{ DLT_PPP, 0, 0 },
	{ DLT_PPP_SERIAL, 0, 0 },
	{ DLT_PPP_ETHER, 0, 0 },
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

/* Returns CARRIES if @d was filled in. */
enum fate packet_datagram(int link, struct view frame, struct datagram *d)
{
	const struct link *l = find_link(link);
	const uint8_t *header = frame.p;
	enum fate fate;
	uint32_t af;

	if (!l)
		return UNKNOWN_LINK;
	fate = need(&frame, l->header);
	if (fate != CARRIES)
		return fate;
	d->payload = frame;
	skip(&d->payload, l->header);

	switch (link) {
	case DLT_NULL:
		/* In the capturing host's byte order. Families are small numbers. */
		af = get_be32(header);
		return family(af < 0x10000 ? af : get_le32(header), d);
	case DLT_LOOP:
		return family(get_be32(header), d);
	case DLT_RAW:
		return ip(d);
	case DLT_IPV4:
		return ipv4(d);
	case DLT_IPV6:
		return ipv6(d);
	case DLT_PPP:
	case DLT_PPP_SERIAL:
		return ppp(d);
	case DLT_PPP_ETHER:
		return pppoe(d);
	default:
		return ethertype(get_be16(header + l->type), d);
	}
}

/* Is the destination port that of an encapsulation, which is not examined? */
bool packet_is_encapsulation(const struct datagram *d)
{
	switch (d->to.port) {
	case 1701: /* L2TP */
	case 2152: /* GTP */
	case 3544: /* Teredo */
	case 4500: /* IPsec */
	case 4754: /* GRE */
	case 4789: /* VXLAN */
	case 6081: /* Geneve */
	case 6635: /* MPLS */
	case 8472: /* VXLAN in early versions of Linux */
		return true;
	}
	return false;
}
