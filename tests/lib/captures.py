# SPDX-License-Identifier: GPL-2.0
"""Makes captures: the packets around WireGuard's messages, and capture files."""

import struct

ETHERNET, NULL, RAW, LOOP, SLL, IPV4, IPV6, SLL2 = 1, 0, 101, 108, 113, 228, 229, 276

V4 = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
V6 = bytes(15) + b"\1", bytes(15) + b"\2"


# Packets

def udp(payload, length=None):
    return struct.pack(">HHHH", 51820, 51821, 8 + len(payload) if length is None else length,
                       0) + payload


def ipv4(payload, protocol=17, options=b"", fragment=0, total=None, version=4):
    header = 20 + len(options)
    return struct.pack(">BBHHHBBH4s4s", version << 4 | header // 4, 0,
                       header + len(payload) if total is None else total, 1, fragment, 64,
                       protocol, 0, *V4) + options + payload


def ipv6(payload, protocol=17, extensions=(), total=None):
    """Extensions are pairs of a header's number and its bytes but the first, the next header."""
    numbers = [number for number, _ in extensions] + [protocol]
    body = b"".join(bytes([following]) + rest
                    for (_, rest), following in zip(extensions, numbers[1:])) + payload
    return struct.pack(">IHBB16s16s", 6 << 28, len(body) if total is None else total, numbers[0],
                       64, *V6) + body


def ethernet(packet, tags=(), ethertype=None, macs=bytes(12)):
    if ethertype is None:
        ethertype = 0x86dd if packet[0] >> 4 == 6 else 0x0800
    return macs + b"".join(struct.pack(">HH", tag, 7) for tag in tags) + \
        struct.pack(">H", ethertype) + packet


def frame(message):
    return ethernet(ipv4(udp(message)))


# Capture files. A frame is bytes, or a pair of the captured bytes and the length on the wire.

def both(item):
    return item if isinstance(item, tuple) else (item, len(item))


def pcap_header(link=ETHERNET, order="<", nanoseconds=False, snaplen=262144):
    return struct.pack(order + "IHHiIII", 0xa1b23c4d if nanoseconds else 0xa1b2c3d4, 2, 4, 0, 0,
                       snaplen, link)


def pcap_record(item, seconds=0, fraction=0, order="<"):
    data, length = both(item)
    return struct.pack(order + "IIII", seconds, fraction, len(data), length) + data


def pcap(frames, link=ETHERNET, order="<", nanoseconds=False, snaplen=262144):
    return pcap_header(link, order, nanoseconds, snaplen) + b"".join(
        pcap_record(item, number, order=order) for number, item in enumerate(frames))


def block(kind, body, order="<"):
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def pcapng(frames, link=ETHERNET, order="<", simple=False):
    out = [block(0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1), order),
           block(1, struct.pack(order + "HHI", link, 0, 262144), order)]
    for number, item in enumerate(frames):
        data, length = both(item)
        if simple:
            out.append(block(3, struct.pack(order + "I", length) + data, order))
        else:
            out.append(block(6, struct.pack(order + "IIIII", 0, 0, number, len(data), length) +
                             data, order))
    return b"".join(out)
