# SPDX-License-Identifier: GPL-2.0
"""Makes captures: packets with WireGuard messages, and capture files."""

import struct

ETHERNET, NULL, PPP, PPP_SERIAL, PPPOE, RAW, HDLC, LOOP, SLL, IPV4, IPV6, SLL2 = \
    1, 0, 9, 50, 51, 101, 104, 108, 113, 228, 229, 276

V4 = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
V6 = bytes(15) + b"\1", bytes(15) + b"\2"
PORTS = 51820, 51821


# Packets

def udp(payload, length=None, ports=PORTS):
    return struct.pack(">HHHH", *ports, 8 + len(payload) if length is None else length,
                       0) + payload


def ipv4(payload, protocol=17, options=b"", fragment=0, total=None, version=4, hosts=V4):
    header = 20 + len(options)
    return struct.pack(">BBHHHBBH4s4s", version << 4 | header // 4, 0,
                       header + len(payload) if total is None else total, 1, fragment, 64,
                       protocol, 0, *hosts) + options + payload


def ipv6(payload, protocol=17, extensions=(), total=None, hosts=V6):
    """An IPv6 packet. Extensions are pairs of a header's number and its bytes after the first one,
    the next header."""
    numbers = [number for number, _ in extensions] + [protocol]
    body = b"".join(bytes([following]) + rest
                    for (_, rest), following in zip(extensions, numbers[1:])) + payload
    return struct.pack(">IHBB16s16s", 6 << 28, len(body) if total is None else total, numbers[0],
                       64, *hosts) + body


def ethernet(packet, tags=(), ethertype=None, macs=bytes(12)):
    if ethertype is None:
        ethertype = 0x86dd if packet[0] >> 4 == 6 else 0x0800
    return macs + b"".join(struct.pack(">HH", tag, 7) for tag in tags) + \
        struct.pack(">H", ethertype) + packet


def ppp(packet, control=b"\xff\3", protocol=None):
    if protocol is None:
        protocol = b"\0\x57" if packet[0] >> 4 == 6 else b"\0\x21"
    return control + protocol + packet


def pppoe(packet, code=0, length=None):
    inner = ppp(packet, b"")
    return struct.pack(">BBHH", 0x11, code, 7, len(inner) if length is None else length) + inner


def frame(message, back=False, hosts=V4, ports=PORTS):
    """A frame with a message from the first host to the second, or back."""
    step = -1 if back else 1
    return ethernet(ipv4(udp(message, ports=ports[::step]), hosts=hosts[::step]))


# Capture files. A frame is bytes, a pair of captured bytes and length on the wire, or an At.

class At(tuple):
    """A frame and the second at which it was captured. For other frames, that is their number."""

    def __new__(cls, second, data):
        return super().__new__(cls, (second, data))


def parts(number, item):
    """The second, the captured bytes and the length on the wire of a frame."""
    second = number
    if isinstance(item, At):
        second, item = item
    data, length = item if isinstance(item, tuple) else (item, len(item))
    return second, data, length


def pcap_header(link=ETHERNET, order="<", nanoseconds=False, snaplen=262144):
    return struct.pack(order + "IHHiIII", 0xa1b23c4d if nanoseconds else 0xa1b2c3d4, 2, 4, 0, 0,
                       snaplen, link)


def pcap_record(item, seconds=0, fraction=0, order="<"):
    second, data, length = parts(seconds, item)
    return struct.pack(order + "IIII", second, fraction, len(data), length) + data


def pcap(frames, link=ETHERNET, order="<", nanoseconds=False, snaplen=262144):
    return pcap_header(link, order, nanoseconds, snaplen) + b"".join(
        pcap_record(item, number, order=order) for number, item in enumerate(frames))


def block(kind, body, order="<"):
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order="<"):
    return block(0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1), order)


def interface(link=ETHERNET, order="<", snaplen=262144, resolution=None):
    """An interface description. @resolution: the byte for the resolution of its clock."""
    options = b"" if resolution is None else \
        struct.pack(order + "HHBxxxHH", 9, 1, resolution, 0, 0)
    return block(1, struct.pack(order + "HHI", link, 0, snaplen) + options, order)


def enhanced(item, number=0, order="<", of=0, units=1000000):
    """An enhanced packet. @of: the interface; @units: units of its clock in a second."""
    second, data, length = parts(number, item)
    ticks = second * units
    return block(6, struct.pack(order + "IIIII", of, ticks >> 32, ticks & 0xffffffff, len(data),
                                length) + data, order)


def simple_block(item, order="<"):
    _, data, length = parts(0, item)
    return block(3, struct.pack(order + "I", length) + data, order)


def pcapng(frames, link=ETHERNET, order="<", simple=False):
    return section(order) + interface(link, order) + b"".join(
        simple_block(item, order) if simple else enhanced(item, number, order)
        for number, item in enumerate(frames))
