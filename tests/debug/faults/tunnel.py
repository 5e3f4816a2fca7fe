# SPDX-License-Identifier: GPL-2.0
"""A tunnel between forkguard and stock WireGuard in a namespace; this program carries the packets.
"""

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import time

import captures
import netlink
from netlink import attribute

PORT = 1000
OUTER = ("192.168.9.1", "192.168.9.2")
INNER = ("10.0.0.1", "10.0.0.2")
PATIENCE = 100  # seconds, which take no time
CLONE_NEWNET = 0x40000000
GSO = 103  # UDP_SEGMENT
_libc = ctypes.CDLL(None, use_errno=True)


def enter(path):
    """Enters a network namespace."""
    with open(path, "rb") as file:
        if _libc.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def tun(name):
    """A TUN interface: packets are read from and written to the descriptor."""
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))
    return file


def wg(word, text=""):
    """Has wg make a key."""
    return subprocess.run(["wg", word], input=text, text=True, check=True, capture_output=True
                          ).stdout.strip()


def raw(key):
    """The bytes of a key."""
    import base64  # pylint: disable=import-outside-toplevel
    return base64.b64decode(key)


class Capture:
    """A capture of the packets sent, for fwg-audit."""

    def __init__(self, path):
        self.file = open(path, "wb")  # pylint: disable=consider-using-with
        self.file.write(captures.pcap_header(captures.RAW))

    def add(self, packet):
        """Adds a packet."""
        now = time.time()
        self.file.write(captures.pcap_record(packet, int(now), int(now % 1 * 1e6)))
        self.file.flush()


class End:
    """One end of the tunnel: a TUN interface as a cable, the tunnel's interface, and a socket
    inside the tunnel."""

    def __init__(self, number, kind, name, capture):
        self.number, self.name, self.capture = number, name, capture
        self.cable = tun(f"cable{number}")
        self.route, self.family = netlink.Route(), netlink.Family(kind)
        self.route.add_address(f"cable{number}", OUTER[number], 24)
        self.route.set_up(f"cable{number}")
        self.route.add_link(name, kind)
        self.private = raw(wg("genkey"))
        import base64  # pylint: disable=import-outside-toplevel
        self.public = raw(wg("pubkey", base64.b64encode(self.private).decode()))
        self.socket = None

    def peer(self, other, **options):
        """The other end, as a peer."""
        return netlink.peer(other.public, INNER[other.number] + "/32",
                            endpoint=(OUTER[other.number], PORT), **options)

    def start(self, other):
        """Starts the interface with the other end as its peer."""
        self.family.set(self.name, attribute(netlink.PRIVATE_KEY, self.private),
                        attribute(netlink.PORT, ("=H", PORT)),
                        attribute(netlink.PEERS, [self.peer(other)]))
        self.route.add_address(self.name, INNER[self.number], 24)
        self.route.set_up(self.name)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((INNER[self.number], 7))
        self.socket.setblocking(False)

    def send(self, data, segment=0):
        """Sends data through the tunnel, in segments of that size unless it is 0."""
        self.socket.setsockopt(socket.IPPROTO_UDP, GSO, segment)
        self.socket.sendto(data, (INNER[1 - self.number], 7))

    def received(self):
        """The data that came through the tunnel since the last call."""
        found = []
        while True:
            try:
                found.append(self.socket.recv(65536))
            except BlockingIOError:
                return found

    def sent(self):
        """One packet that was sent over the cable, or None."""
        try:
            packet = os.read(self.cable, 65536)
        except BlockingIOError:
            return None
        if kind(packet):
            self.capture.add(packet)
        return packet

    def deliver(self, packet):
        """Delivers a packet over the cable."""
        os.write(self.cable, packet)


def kind(packet):
    """The type of a WireGuard message in an IPv4 packet; 0 for any other."""
    if packet[0] >> 4 != 4 or packet[9] != 17 or len(packet) < 32:
        return 0
    return packet[28]


class Tunnel:
    """Both ends, on a cable over which this program delivers the packets."""

    def __init__(self, capture):
        subprocess.run(["ip", "netns", "add", "b"], check=True)
        self.ours = End(0, "forkguard", "fwg0", Capture(capture))
        enter("/run/netns/b")
        self.stock = End(1, "wireguard", "wg0", Capture("/dev/null"))
        self.stock.start(self.ours)
        enter("/proc/1/ns/net")
        self.ours.start(self.stock)
        # A listener shares the data of packets, which then can't be changed in place.
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)

    def wait(self, sender, wanted, seconds=PATIENCE):
        """The next message of that type that the sender sends. It is not delivered; all other
        packets are."""
        deadline = time.monotonic() + seconds
        other = self.stock if sender is self.ours else self.ours
        while time.monotonic() < deadline:
            for end, peer in ((sender, other), (other, sender)):
                packet = end.sent()
                while packet:
                    if end is sender and kind(packet) == wanted:
                        return packet
                    peer.deliver(packet)
                    packet = end.sent()
            select.select([sender.cable, other.cable], [], [], deadline - time.monotonic())
        return None

    def pump(self, done, seconds=PATIENCE):
        """Delivers all packets until done() is true or the time is up; returns its last value."""
        deadline = time.monotonic() + seconds
        while True:
            busy = True
            while busy:
                busy = False
                for end, other in ((self.ours, self.stock), (self.stock, self.ours)):
                    packet = end.sent()
                    if packet:
                        other.deliver(packet)
                        busy = True
            found = done()
            if found or time.monotonic() >= deadline:
                return found
            select.select([self.ours.cable, self.stock.cable], [], [], 0.5)

    def settle(self, seconds=0.3):
        """Delivers all packets for that time."""
        self.pump(lambda: False, seconds)

    def works(self):
        """Does data get through, both ways? It may take a handshake."""
        self.settle()
        for end, other in ((self.ours, self.stock), (self.stock, self.ours)):
            other.received()
            marker = os.urandom(16)
            deadline = time.monotonic() + PATIENCE
            while True:
                end.send(marker)
                if self.pump(lambda o=other, m=marker: m in o.received(), 6):
                    break
                if time.monotonic() > deadline:
                    return False
        return True
