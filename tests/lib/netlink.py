# SPDX-License-Identifier: GPL-2.0
"""Netlink for tests in which single messages fail: a request is one send()."""

import os
import socket
import struct

ROUTE, GENERIC = 0, 16
REQUEST, ACK, DUMP = 1, 4, 0x300
CREATE, EXCL = 0x400, 0x200
ERROR, DONE = 2, 3
NEWLINK, DELLINK, NEWADDR = 16, 17, 20
NESTED = 0x8000
UP = 1

# include/uapi/linux/forkguard.h
GET_DEVICE, SET_DEVICE, RESET, GET_GENERATION = 0, 1, 64, 65
IFNAME, PRIVATE_KEY, FLAGS, PORT, FWMARK, PEERS, PEER_KEY = 2, 3, 5, 6, 7, 8, 65
P_PUBLIC_KEY, P_PSK, P_FLAGS, P_ENDPOINT, P_KEEPALIVE, P_IPS = 1, 2, 3, 4, 5, 9
REPLACE_PEERS = REMOVE_ME = 1
REPLACE_IPS = 2


class NetlinkError(OSError):
    """The kernel's answer was an error."""


def attribute(kind, data):
    """An attribute. data: bytes, a string, a number with its format, or a list for a nest."""
    if isinstance(data, list):
        kind, data = kind | NESTED, b"".join(data)
    elif isinstance(data, str):
        data = data.encode() + b"\0"
    elif isinstance(data, tuple):
        data = struct.pack(*data)
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)


def parse(data):
    """The attributes in data as pairs of a kind and bytes."""
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:size]
        data = data[(size + 3) & ~3:]


class Netlink:
    """A netlink socket."""

    def __init__(self, protocol):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self.socket.bind((0, 0))
        self.sequence = 0

    def send(self, kind, flags, payload):
        """Sends a request; the kernel has processed it when this returns."""
        self.sequence += 1
        header = struct.pack("=IHHII", 16 + len(payload), kind, flags | REQUEST, self.sequence, 0)
        self.socket.send(header + payload)

    def answers(self):
        """All payloads in answer to the last request."""
        while True:
            data = self.socket.recv(65536)
            while data:
                size, kind, flags, sequence, _ = struct.unpack_from("=IHHII", data)
                payload, data = data[16:size], data[(size + 3) & ~3:]
                if sequence != self.sequence:
                    continue
                if kind in (ERROR, DONE):
                    error = -struct.unpack_from("=i", payload)[0] if payload else 0
                    if error:
                        raise NetlinkError(error, os.strerror(error))
                    return
                yield payload
                if not flags & 2:
                    return

    def request(self, kind, flags, payload):
        """Sends a request; returns its answers as a list."""
        self.send(kind, flags, payload)
        return list(self.answers())


class Route(Netlink):
    """Links and addresses."""

    def __init__(self):
        super().__init__(ROUTE)

    def add_link(self, name, kind="forkguard"):
        """Makes an interface."""
        info = attribute(18, [attribute(1, kind)])
        self.request(NEWLINK, ACK | CREATE | EXCL, bytes(16) + attribute(3, name) + info)

    def delete_link(self, name):
        """Deletes an interface."""
        self.request(DELLINK, ACK, bytes(16) + attribute(3, name))

    def set_up(self, name, up=True):
        """Takes an interface up or down."""
        change = struct.pack("=BxHiII", 0, 0, 0, UP if up else 0, UP)
        self.request(NEWLINK, ACK, change + attribute(3, name))

    def add_address(self, name, address, length):
        """Gives an interface an IPv4 address."""
        header = struct.pack("=BBBBi", socket.AF_INET, length, 0, 0, socket.if_nametoindex(name))
        packed = socket.inet_aton(address)
        self.request(NEWADDR, ACK | CREATE | EXCL, header + attribute(2, packed) +
                     attribute(1, packed))


def allowed_ip(text):
    """An allowed IP in a list of a peer."""
    address, length = text.split("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return attribute(0, [attribute(1, ("=H", family)),
                         attribute(2, socket.inet_pton(family, address)),
                         attribute(3, ("=B", int(length)))])


def peer(key, *ips, psk=None, endpoint=None, keepalive=None, flags=0):
    """A peer in a list of a device."""
    found = [attribute(P_PUBLIC_KEY, key), attribute(P_FLAGS, ("=I", flags))]
    if psk:
        found.append(attribute(P_PSK, psk))
    if endpoint:
        found.append(attribute(P_ENDPOINT, struct.pack("=H", socket.AF_INET) +
                               struct.pack(">H", endpoint[1]) + socket.inet_aton(endpoint[0]) +
                               bytes(8)))
    if keepalive is not None:
        found.append(attribute(P_KEEPALIVE, ("=H", keepalive)))
    if ips:
        found.append(attribute(P_IPS, [allowed_ip(ip) for ip in ips]))
    return attribute(0, found)


class Family(Netlink):
    """The generic netlink family of forkguard, or of WireGuard, whose numbers are the same."""

    def __init__(self, name):
        super().__init__(GENERIC)
        [answer] = self.request(16, 0, bytes((3, 1, 0, 0)) + attribute(2, name))
        self.number = struct.unpack("=H", dict(parse(answer[4:]))[1])[0]

    def command(self, command, flags, *attributes):
        """Sends a request; returns its answers without their headers."""
        payload = bytes((command, 1, 0, 0)) + b"".join(attributes)
        return [answer[4:] for answer in self.request(self.number, flags, payload)]

    def set(self, name, *attributes):
        """Configures a device."""
        self.command(SET_DEVICE, ACK, attribute(IFNAME, name), *attributes)

    def reset(self, name, key=None):
        """Forces a reset."""
        keys = [attribute(PEER_KEY, key)] if key else []
        self.command(RESET, ACK, attribute(IFNAME, name), *keys)

    def generation(self):
        """Asks which generation is running."""
        return self.command(GET_GENERATION, 0)

    def dump(self, name):
        """The configuration of a device: (attributes, {public key: (attributes, allowed IPs)})."""
        device, peers = {}, {}
        for answer in self.command(GET_DEVICE, DUMP | ACK, attribute(IFNAME, name)):
            found = dict(parse(answer))
            for _, nest in parse(found.get(PEERS, b"")):
                state = dict(parse(nest))
                known = peers.setdefault(state[P_PUBLIC_KEY], ({}, set()))
                known[0].update({kind: state[kind] for kind in (P_PSK, P_ENDPOINT, P_KEEPALIVE)
                                 if kind in state})
                known[1].update(ip for _, ip in parse(state.get(P_IPS, b"")))
            device.update({kind: found[kind] for kind in (PRIVATE_KEY, PORT, FWMARK)
                           if kind in found})
        return device, peers
