# SPDX-License-Identifier: GPL-2.0
"""Runs in user-mode Linux: sends the same netlink messages to forkguard and to stock WireGuard.

Prints as JSON: `semantics.py both`, the outcome of each of SCENARIOS and REFUSED with either;
`shapes`, the attributes of their dumps, message by message; `dumps`, how dumps end if the
configuration changes meanwhile; `gaps`, which packets find no peer while allowed IPs are replaced;
`pace`, how long dumps of few and of many peers take.
"""

import json
import os
import socket
import statistics
import struct
import sys
import time

import netlink as nl

PUBLIC_KEY, ENDPOINT_V6 = 4, struct.Struct("=H2sI16sI")
INTERRUPTED = 0x10
UPDATE_ONLY = 4
IP_FLAGS, IP_REMOVE_ME = 4, 1

A, B, C, D = (bytes([number]) * 32 for number in (9, 10, 11, 12))
PSK = bytes([77]) * 32
# RFC 7748, section 6.1: Alice's, clamped as the kernel keeps it.
PRIVATE = bytes.fromhex("70076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c6a")
PUBLIC = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
OTHER_PRIVATE = bytes.fromhex("58ab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e06b")

# Points with which every private key gives the shared secret 0.
LOW_ORDER = [bytes(32), bytes([1]) + bytes(31)] + [bytes.fromhex(point) for point in (
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]


def peers(*nests):
    """The attribute with the peers of a message."""
    return nl.attribute(nl.PEERS, list(nests))


def private(key):
    """The attribute with the private key of a message."""
    return nl.attribute(nl.PRIVATE_KEY, key)


def flags(number):
    """The attribute with the flags of a message."""
    return nl.attribute(nl.FLAGS, ("=I", number))


def with_endpoint(key, address):
    """A peer whose endpoint is any bytes."""
    return nl.attribute(0, [nl.attribute(nl.P_PUBLIC_KEY, key),
                            nl.attribute(nl.P_ENDPOINT, address)])


def with_ip(*attributes):
    """A peer with an allowed IP that has any attributes."""
    return nl.attribute(0, [nl.attribute(nl.P_PUBLIC_KEY, A), nl.attribute(
        nl.P_IPS, [nl.attribute(0, list(attributes))])])


def ip_parts(family=socket.AF_INET, address=bytes(4), length=8):
    """The attributes of an allowed IP."""
    return [nl.attribute(1, ("=H", family)), nl.attribute(2, address),
            nl.attribute(3, ("=B", length))]


# The beginning of every scenario.
START = [flags(nl.REPLACE_PEERS), private(PRIVATE), nl.attribute(nl.PORT, ("=H", 0)),
         nl.attribute(nl.FWMARK, ("=I", 0)),
         peers(nl.peer(A, "10.0.0.0/8", "fd00::/8", psk=PSK, endpoint=("192.0.2.1", 7),
                       keepalive=25),
               nl.peer(B, "0.0.0.0/0", "::/0"),
               nl.peer(C))]

# Each scenario is a sequence of messages.
SCENARIOS = {
    "nothing": [[]],
    "replace peers": [[flags(1), peers(nl.peer(D, "10.9.0.0/16"))]],
    "replace peers by none": [[flags(1)]],
    "replace peers by themselves": [[flags(1), peers(nl.peer(A), nl.peer(B, "10.0.0.0/8"))]],
    "replace allowed IPs": [[peers(nl.peer(A, "10.5.0.0/16", flags=nl.REPLACE_IPS))]],
    "replace allowed IPs by none": [[peers(nl.peer(A, flags=nl.REPLACE_IPS))]],
    "replace allowed IPs of a stranger": [[peers(nl.peer(D, "10.5.0.0/16",
                                                         flags=nl.REPLACE_IPS))]],
    "replace allowed IPs twice": [[peers(nl.peer(A, "10.5.0.0/16", flags=nl.REPLACE_IPS),
                                         nl.peer(A, "10.6.0.0/16", flags=nl.REPLACE_IPS))]],
    "add allowed IPs": [[peers(nl.peer(A, "10.5.0.0/16"))]],
    "update only, a stranger": [[peers(nl.peer(D, "10.5.0.0/16", flags=UPDATE_ONLY))]],
    "update only": [[peers(nl.peer(C, "10.5.0.0/16", psk=PSK, endpoint=("192.0.2.9", 9),
                                   keepalive=9, flags=UPDATE_ONLY))]],
    "update only, and replace": [[peers(nl.peer(A, "10.5.0.0/16",
                                                flags=UPDATE_ONLY | nl.REPLACE_IPS))]],
    "update only one that was removed before": [[peers(
        nl.peer(A, flags=nl.REMOVE_ME), nl.peer(A, "10.5.0.0/16", flags=UPDATE_ONLY))]],
    "remove": [[peers(nl.peer(B, flags=nl.REMOVE_ME))]],
    "remove, with settings": [[peers(nl.peer(B, "10.5.0.0/16", psk=PSK, keepalive=1,
                                             flags=nl.REMOVE_ME | nl.REPLACE_IPS))]],
    "remove, update only": [[peers(nl.peer(B, flags=nl.REMOVE_ME | UPDATE_ONLY))]],
    "remove a stranger": [[peers(nl.peer(D, "10.5.0.0/16", flags=nl.REMOVE_ME))]],
    "remove and add": [[peers(nl.peer(A, flags=nl.REMOVE_ME), nl.peer(A, "10.5.0.0/16"))]],
    "add and remove": [[peers(nl.peer(D, "10.0.0.0/8"), nl.peer(D, flags=nl.REMOVE_ME))]],
    "allowed IPs move": [[peers(nl.peer(C, "10.0.0.0/8", "::/0"))]],
    "allowed IPs move there and back": [[peers(nl.peer(C, "10.0.0.0/8"),
                                               nl.peer(A, "10.0.0.0/8"))]],
    "allowed IPs move to who is removed": [[peers(nl.peer(C, "10.0.0.0/8"))],
                                           [peers(nl.peer(C, flags=nl.REMOVE_ME))]],
    "allowed IPs are given twice": [[peers(nl.peer(C, "10.1.0.0/16", "10.1.0.0/16"))]],
    "allowed IPs with host bits": [[peers(nl.peer(C, "10.1.2.3/16", "fd00::1/64"))]],
    "allowed IPs of all lengths": [[peers(nl.peer(
        C, *(f"10.255.255.255/{length}" for length in range(33)),
        *(f"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/{length}" for length in range(129))))]],
    "an IPv4 address in an IPv6 one": [[peers(nl.peer(C, "::ffff:10.1.2.3/128", "::/96"))]],
    "settings of a peer twice": [[peers(nl.peer(A, keepalive=1, endpoint=("192.0.2.2", 8)),
                                        nl.peer(A, keepalive=2))]],
    "no preshared key any more": [[peers(nl.peer(A, psk=bytes(32)))]],
    "no keepalive any more": [[peers(nl.peer(A, keepalive=0))]],
    "endpoint over IPv6": [[peers(with_endpoint(C, ENDPOINT_V6.pack(
        socket.AF_INET6, b"\x01\x02", 0, b"\x20\x01" + bytes(13) + b"\x01", 3)))]],
    "endpoint without address and port": [[peers(nl.peer(C, endpoint=("0.0.0.0", 0)))]],
    "endpoint of broadcast": [[peers(nl.peer(C, endpoint=("255.255.255.255", 65535)))]],
    "private key again": [[private(PRIVATE)]],
    "private key, not clamped": [[private(bytes([255]) * 32)]],
    "no private key": [[private(bytes(32))]],
    "no private key, and then one": [[private(bytes(32))], [private(PRIVATE)]],
    "another private key": [[private(OTHER_PRIVATE)]],
    "peer with our own key": [[peers(nl.peer(PUBLIC, "10.0.0.0/8"), nl.peer(D))]],
    "peer with our own key to come": [[private(OTHER_PRIVATE), peers(nl.peer(PUBLIC))],
                                      [private(PRIVATE)]],
    "peer with our own key of before": [[private(OTHER_PRIVATE), peers(nl.peer(PUBLIC))]],
    "peer with our own key in one message": [[private(bytes(32)), peers(nl.peer(PUBLIC))],
                                             [private(PRIVATE), peers(nl.peer(PUBLIC))]],
    "peers of low order": [[peers(*(nl.peer(point, endpoint=("127.0.0.1", 9))
                                    for point in LOW_ORDER))]],
    "peers of low order, then an identity": [
        [private(bytes(32)), peers(*(nl.peer(point) for point in LOW_ORDER))],
        [private(PRIVATE)]],
    "peers of low order, then no identity": [
        [peers(*(nl.peer(point, keepalive=9) for point in LOW_ORDER))], [private(bytes(32))]],
    "port and mark": [[nl.attribute(nl.PORT, ("=H", 65535)),
                       nl.attribute(nl.FWMARK, ("=I", 0xffffffff))]],
    "version 1 of the protocol": [[peers(nl.attribute(0, [
        nl.attribute(nl.P_PUBLIC_KEY, A), nl.attribute(10, ("=I", 1))]))]],
    "no peers in a list": [[peers()]],
}


def refused(*wrong, device=()):
    """A message with a valid part, followed by an invalid one."""
    return [[*device, peers(nl.peer(A, keepalive=99, flags=nl.REPLACE_IPS), *wrong)]]


REFUSED = {
    "peer without a key": refused(nl.attribute(0, [nl.attribute(nl.P_FLAGS, ("=I", 0))])),
    "short key": refused(nl.peer(D[:31])),
    "long key": refused(nl.peer(D + b"x")),
    "short private key": refused(device=[private(D[:31])]),
    "long private key": refused(device=[private(D + b"x")]),
    "short preshared key": refused(nl.peer(D, psk=D[:31])),
    "flags of a peer": refused(nl.peer(D, flags=8)),
    "flags of a device": refused(device=[flags(2)]),
    "family of IP": refused(with_ip(*ip_parts(family=99))),
    "no family of IP": refused(with_ip(*ip_parts()[1:])),
    "no address of IP": refused(with_ip(*ip_parts()[::2])),
    "no length of IP": refused(with_ip(*ip_parts()[:2])),
    "IPv4 of 16 bytes": refused(with_ip(*ip_parts(address=bytes(16)))),
    "IPv6 of 4 bytes": refused(with_ip(*ip_parts(family=socket.AF_INET6))),
    "IP of 3 bytes": refused(with_ip(*ip_parts(address=bytes(3)))),
    "IPv4/33": refused(with_ip(*ip_parts(length=33))),
    "IPv6/129": refused(with_ip(*ip_parts(socket.AF_INET6, bytes(16), 129))),
    "unknown flag of IP": refused(with_ip(*ip_parts(), nl.attribute(IP_FLAGS, ("=I", 2)))),
    "short endpoint": refused(with_endpoint(D, bytes(3))),
    "short port": refused(device=[nl.attribute(nl.PORT, b"\x01")]),
    "short mark": refused(device=[nl.attribute(nl.FWMARK, b"\x01\x02")]),
}


def sortable(ip):
    """An allowed IP as text."""
    parts = dict(nl.parse(ip))
    family, = struct.unpack("=H", parts[1])
    return f"{socket.inet_ntop(family, parts[2])}/{parts[3][0]}"


def state(family, name):
    """The contents of a dump, without forkguard's own attributes and without traffic counters."""
    found, peer = {"peers": []}, None
    for answer in family.command(nl.GET_DEVICE, nl.DUMP | nl.ACK, nl.attribute(nl.IFNAME, name)):
        device = dict(nl.parse(answer))
        found.update({str(kind): value.hex() for kind, value in device.items()
                      if kind in (nl.PRIVATE_KEY, PUBLIC_KEY, nl.PORT, nl.FWMARK)})
        for _, nest in nl.parse(device.get(nl.PEERS, b"")):
            parts = dict(nl.parse(nest))
            key = parts[nl.P_PUBLIC_KEY].hex()
            if not peer or peer["key"] != key:
                peer = {"key": key, "ips": [], "more": {
                    str(kind): parts[kind].hex() for kind in (nl.P_PSK, nl.P_ENDPOINT,
                                                              nl.P_KEEPALIVE) if kind in parts}}
                found["peers"].append(peer)
            peer["ips"] += [sortable(ip) for _, ip in nl.parse(parts.get(nl.P_IPS, b""))]
    for peer in found["peers"]:
        # Their order is not defined.
        peer["ips"].sort()
    return found


def outcome(family, name, messages):
    """The errors of messages, and the state after them."""
    errors = []
    family.set(name, *START)
    before = state(family, name)
    for message in messages:
        try:
            family.set(name, *message)
            errors.append(0)
        except nl.NetlinkError as error:
            errors.append(error.errno)
    after = state(family, name)
    return {"errors": errors, "state": after, "changed": before != after}


def both():
    """The outcomes of all scenarios and refused messages."""
    sides = {"ours": (nl.Family("forkguard"), "fwg0"), "theirs": (nl.Family("wireguard"), "wg0")}
    return {name: {side: outcome(*who, messages) for side, who in sides.items()}
            for name, messages in (SCENARIOS | REFUSED).items()}


def attributes(data):
    """Attributes in their order: [kind with its flags, the value or a nest's attributes]."""
    found = []
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        value = data[4:size]
        found.append([kind, attributes(value) if kind & nl.NESTED else value.hex()])
        data = data[(size + 3) & ~3:]
    return found


def datagrams(number, name):
    """The messages of a dump, datagram by datagram: [type, flags, version, attributes]."""
    asker, found = nl.Netlink(nl.GENERIC), []
    asker.send(number, nl.DUMP | nl.ACK,
               bytes((nl.GET_DEVICE, 1, 0, 0)) + nl.attribute(nl.IFNAME, name))
    while not found or found[-1][-1][0] != "done":
        # The smallest buffer, for as many messages as possible: the kernel fills larger buffers.
        data = asker.socket.recv(4096)
        found.append([])
        while data:
            size, kind, flag, _, _ = struct.unpack_from("=IHHII", data)
            if kind == nl.DONE:
                found[-1].append(["done", flag])
            elif kind == number:
                found[-1].append(["device", flag, *data[16:20], attributes(data[20:size])])
            else:
                raise nl.NetlinkError(-struct.unpack_from("=i", data, 16)[0], "dump")
            data = data[(size + 3) & ~3:]
    return found


def many(count, start=0):
    """Allowed IPs of both families."""
    return [f"10.{number // 256}.{number % 256}.0/24" if number % 3 else f"fd00:{number:x}::/64"
            for number in range(start, start + count)]


# Configurations for limits of dumps, each of one message or more.
SHAPES = {
    "an interface as it was made": [[flags(1), private(bytes(32))]],
    "an identity and no peer": [[flags(1)]],
    "a peer of an interface without an identity": [[flags(1), private(bytes(32)),
                                                    peers(nl.peer(C))]],
    "many peers without allowed IPs": [[flags(1), peers(*(nl.peer(bytes([n]) * 32)
                                                          for n in range(1, 90)))]],
    "many peers": [[flags(1), peers(*(nl.peer(bytes([n]) * 32, *many(n % 5, 5 * n), psk=PSK)
                                      for n in range(1, 90)))]],
    "many allowed IPs of the first peer": [[peers(nl.peer(A, *many(1000)))]],
    "many allowed IPs of the last peer": [[peers(nl.peer(C, *many(1000)))]],
    "many allowed IPs of several peers": [[peers(nl.peer(A, *many(300)), nl.peer(B, *many(7, 300)),
                                                 nl.peer(C, *many(300, 400)), nl.peer(D))]],
} | SCENARIOS


def shapes():
    """The dumps of all configurations."""
    sides = {"ours": (nl.Family("forkguard"), "fwg0"), "theirs": (nl.Family("wireguard"), "wg0")}
    found = {}
    for name, messages in SHAPES.items():
        found[name] = {}
        for side, (family, device) in sides.items():
            family.set(device, *START)
            for message in messages:
                family.set(device, *message)
            found[name][side] = datagrams(family.number, device)
    return found


def keys(count):
    """That many public keys."""
    return [struct.pack("=I", number + 1) + bytes(28) for number in range(count)]


def fill(family, name, count):
    """Gives a device that many peers, and nothing else."""
    family.set(name, flags(nl.REPLACE_PEERS))
    wanted = keys(count)
    for start in range(0, count, 200):
        family.set(name, peers(*(nl.peer(key) for key in wanted[start:start + 200])))


class Dump(nl.Netlink):
    """Dumps message by message, in the smallest messages of the kernel."""

    def __init__(self, number):
        # A new socket: the kernel sends larger messages to one that has had a larger buffer.
        super().__init__(nl.GENERIC)
        self.number = number
        self.times = []  # that the kernel took for each message, in seconds

    def messages(self, name):
        """For each message except the last: whether it reports a change, and its peers."""
        self.send(self.number, nl.DUMP | nl.ACK,
                  bytes((nl.GET_DEVICE, 1, 0, 0)) + nl.attribute(nl.IFNAME, name))
        while True:
            before = time.monotonic()
            data = self.socket.recv(4096)
            self.times.append(time.monotonic() - before)
            while data:
                size, kind, flag, _, _ = struct.unpack_from("=IHHII", data)
                payload, data = data[20:size], data[(size + 3) & ~3:]
                if kind == nl.ERROR:
                    raise nl.NetlinkError(-struct.unpack_from("=i", payload)[0], "dump")
                device = dict(nl.parse(payload)) if kind != nl.DONE else {}
                yield bool(flag & INTERRUPTED), [
                    dict(nl.parse(nest)) for _, nest in nl.parse(device.get(nl.PEERS, b""))]
                if kind == nl.DONE:
                    return


# Changes in the middle of a dump, when it is at the peer `here`. That peer has more allowed IPs,
# 10.0.0.0/32 and so on, than have been dumped.
CHANGES = {
    "nothing": lambda here, told: [],
    "the next peer goes": lambda here, told: [peers(nl.peer(here, flags=nl.REMOVE_ME))],
    "a peer that was told goes": lambda here, told: [peers(nl.peer(told, flags=nl.REMOVE_ME))],
    "all peers go": lambda here, told: [flags(nl.REPLACE_PEERS)],
    "all go and others come": lambda here, told: [
        flags(nl.REPLACE_PEERS), peers(*(nl.peer(struct.pack("=I", 10 ** 6 + number) + bytes(28))
                                         for number in range(100)))],
    "a peer comes": lambda here, told: [peers(nl.peer(D))],
    "all allowed IPs go": lambda here, told: [peers(nl.peer(here, flags=nl.REPLACE_IPS))],
    "allowed IPs move away": lambda here, told: [peers(nl.peer(
        told, *(f"10.0.{number // 256}.{number % 256}/32" for number in range(300))))],
    "a private key": lambda here, told: [private(PRIVATE)],
}


def dump_and_change(family, dump, middle, change):
    """A dump of 100 peers, with a change in the middle."""
    fill(family, "fwg0", 100)
    here = keys(100)[middle]
    family.set("fwg0", peers(nl.peer(here, *(f"10.0.{number // 256}.{number % 256}/32"
                                             for number in range(1000)))))
    before, after, interrupted, since = [], [], False, 0
    for flag, told in dump.messages("fwg0"):
        interrupted |= flag
        # The kernel has already made the next message.
        (after if since > 1 else before).extend(peer[nl.P_PUBLIC_KEY].hex() for peer in told)
        if since or (told and told[-1][nl.P_PUBLIC_KEY] == here):
            since += 1
        if since == 1:
            attributes = change(here, keys(100)[0])
            if attributes:
                family.set("fwg0", *attributes)
    there = [peer["key"] for peer in state(family, "fwg0")["peers"]]
    return {"interrupted": interrupted, "before": before, "after": after, "there": there}


def dumps():
    """The ends of dumps during changes."""
    family = nl.Family("forkguard")
    dump = Dump(family.number)
    return {name: dump_and_change(family, dump, 50, change) for name, change in CHANGES.items()}


def replacements():
    """Messages by name, which are sent one after the other again and again. They add, remove or
    move prefixes; addresses of 10.0.0.0/8 have a peer in each of them."""
    def whole(start, *more):
        # The longest prefixes come last; all addresses match them.
        return [*(f"172.16.{n // 256}.{n % 256}/32" for n in range(start, start + 200)), *more]

    def given(key, *ips):
        return nl.peer(key, *ips, endpoint=("192.0.2.1", 7), flags=nl.REPLACE_IPS)

    one, halves = ["10.0.0.0/8"], ["10.0.0.0/9", "10.128.0.0/9"]
    return {
        "the same again": [[peers(given(A, *whole(0, *one)))]] * 2,
        "others of one peer": [[peers(given(A, *whole(0, *one)))],
                               [peers(given(A, *whole(200, *halves)))]],
        "from peer to peer": [[peers(given(A, *whole(0, *one)), given(B, *whole(200)))],
                              [peers(given(A, *whole(0)), given(B, *whole(200, *one)))]],
        "the peer goes": [[peers(nl.peer(B, flags=nl.REMOVE_ME), given(A, *whole(0, *one)))],
                          [peers(nl.peer(A, flags=nl.REMOVE_ME), given(B, *whole(0, *one)))]],
        "all peers are replaced": [[flags(1), peers(given(A, *whole(0, *one)))],
                                   [flags(1), peers(given(B, *whole(0)), given(A, *one))]],
    }


def flood(orders, answers):
    """Sends packets into the tunnel on order; answers how many, and the errors of those refused."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sent, refused = 0, []
    while order := os.read(orders, 1):
        if order == b"?":
            os.write(answers, json.dumps([sent, refused]).encode())
            sent, refused = 0, []
            continue
        for _ in range(5):
            try:
                sender.sendto(b"x", ("10.1.2.3", 9))
            except OSError as error:
                refused.append(str(error))
            sent += 1


def gaps():
    """How many packets were sent during replacements, and the errors of those refused."""
    family, route, found = nl.Family("forkguard"), nl.Route(), {}
    route.add_address("fwg0", "10.0.0.1", 8)
    route.set_up("fwg0")
    (orders, to_flood), (from_flood, answers) = os.pipe(), os.pipe()
    if not os.fork():
        os.close(to_flood)
        flood(orders, answers)
        os._exit(0)
    for name, messages in replacements().items():
        family.set("fwg0", *START[:-1], *messages[0])
        for _ in range(5):
            for message in messages:
                # They are sent gradually, also while the message is being processed.
                os.write(to_flood, b"!!")
                family.set("fwg0", *message)
        os.write(to_flood, b"?")
        found[name] = json.loads(os.read(from_flood, 65536))
    return found


def pace():
    """The usual time that the kernel takes for one of the first and one of the last messages of a
    long dump, in seconds."""
    family = nl.Family("forkguard")
    dump = Dump(family.number)
    count = 40000
    fill(family, "fwg0", count)
    first, last = [], []
    for _ in range(5):
        dump.times.clear()
        told = [peer[nl.P_PUBLIC_KEY] for _, some in dump.messages("fwg0") for peer in some]
        assert told == keys(count)
        tenth = len(dump.times) // 10
        # The kernel makes the first message when it is asked, and each other while one is received.
        first += dump.times[1:tenth]
        last += dump.times[-tenth:-3]
    return {"first": statistics.median(first), "last": statistics.median(last)}


if __name__ == "__main__":
    print(json.dumps({"both": both, "shapes": shapes, "dumps": dumps,
                      "gaps": gaps, "pace": pace}[sys.argv[1]]()))
