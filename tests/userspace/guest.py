# SPDX-License-Identifier: GPL-2.0
"""For scripts in user-mode Linux: namespaces, packets, and a wire that the script controls.

A wire is two tun devices, one in the namespace of the script, "a", and one in "b". The script reads
packets from one, and writes them to the other: unchanged, changed, twice or not at all.
"""

import ctypes
import fcntl
import ipaddress
import json
import os
import select
import socket
import struct
import subprocess
import time
from contextlib import contextmanager

from messages import KEEPALIVE_LEN as KEEPALIVE
from messages import TRANSPORT as DATA

LIBC = ctypes.CDLL(None, use_errno=True)
HOME = os.open("/proc/self/ns/net", os.O_RDONLY)


# ips NAMESPACE COMMAND...: of ip; the namespace may be "", this one.
PREAMBLE = """ips() { printf '%s\\n' "${@:2}" | ip ${1:+-n "$1"} -batch -; }
"""


def sh(text):
    """The output of commands."""
    done = subprocess.run(["bash", "-euc", PREAMBLE + text], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise RuntimeError(f"{text}: {done.stderr}")
    return done.stdout.strip()


@contextmanager
def inside(namespace):
    """Sockets and tuns made in this context are in a namespace; None is the script's own."""
    target = os.open(f"/run/netns/{namespace}", os.O_RDONLY) if namespace else os.dup(HOME)
    try:
        if LIBC.setns(target, 0):
            raise OSError(ctypes.get_errno(), namespace)
        yield
    finally:
        LIBC.setns(HOME, 0)
        os.close(target)


def tun(name, namespace=None):
    """A tun device, as a file from and to which IP packets are read and written; it is down."""
    with inside(namespace):
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x1001))
    return device


def udp(address, namespace=None, port=77):
    """A UDP socket for packets through the tunnel."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(namespace):
        made = socket.socket(family, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    made.bind((address, port))
    return made


def receive(sock):
    """(data, TOS) of a datagram that has arrived, or None."""
    try:
        data, ancillary, _, _ = sock.recvmsg(65536, 128)
    except BlockingIOError:
        return None
    return data, ancillary[0][2][0] if ancillary else None


def unsent(sock):
    """The bytes that a socket has sent and that are not freed yet."""
    return struct.unpack("i", fcntl.ioctl(sock, 0x5411, bytes(4)))[0]


def total(data):
    """The Internet checksum; 0 if the data includes its correct checksum."""
    data += bytes(len(data) % 2)
    value = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xffff) + (value >> 16)
    return value ^ 0xffff


def build(source, to, payload, tos=0, checksum=True):
    """An IP packet with a UDP datagram, from (address, port) to (address, port)."""
    addresses = [ipaddress.ip_address(address) for address, _ in (source, to)]
    pair = b"".join(address.packed for address in addresses)
    header = struct.pack("!4H", source[1], to[1], 8 + len(payload), 0)
    pseudo = pair + struct.pack("!LL", 8 + len(payload), 17)
    value = (total(pseudo + header + payload) or 0xffff) if checksum else 0
    datagram = header[:6] + struct.pack("!H", value) + payload
    if addresses[0].version == 6:
        return struct.pack("!LHBB", 6 << 28 | tos << 20, len(datagram), 17, 64) + pair + datagram
    ip = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(datagram), 1, 0, 64, 17, 0) + pair
    return ip[:10] + struct.pack("!H", total(ip)) + ip[12:] + datagram


class Packet:
    """An IP packet on the wire. type: that of the WireGuard message in it, or None."""

    def __init__(self, data):
        self.data, self.type = data, None
        self.version = data[0] >> 4
        if self.version == 4:
            self.tos, header, size, protocol = data[1], 20, 4, data[9]
            if data[6] & 0x3f or data[7]:
                return  # a fragment
        else:
            self.tos, header, size, protocol = (data[0] << 4 | data[1] >> 4) & 0xff, 40, 16, data[6]
        if protocol != 17:
            return
        pair = data[header - 2 * size:header]
        source, to, length, self.checksum = struct.unpack_from("!4H", data, header)
        self.source = str(ipaddress.ip_address(pair[:size])), source
        self.to = str(ipaddress.ip_address(pair[size:])), to
        self.payload = data[header + 8:header + length]
        self.sound = bool(self.checksum) and not total(
            pair + struct.pack("!LL", length, 17) + data[header:])
        self.type = self.payload[0] if self.payload else None

    def copy(self, **changes):
        """The packet with another source, destination, payload or TOS."""
        return build(changes.get("source", self.source), changes.get("to", self.to),
                     changes.get("payload", self.payload), changes.get("tos", self.tos))


def drain(device):
    """The packets that a tun has sent."""
    packets = []
    while True:
        try:
            packets.append(Packet(os.read(device, 65536)))
        except BlockingIOError:
            return packets


def data_messages(packets):
    """The packets with data messages that are no keepalives."""
    return [p for p in packets if p.type == DATA and len(p.payload) > KEEPALIVE]


class Wire:
    """A wire between ta, here, with 192.168.9.1 and fd09::1, and tb in "b", with 192.168.9.2 and
    fd09::2. change(side, packet) returns a list of the packets, as bytes, for the other side."""

    def __init__(self):
        self.ends = {"a": tun("ta"), "b": tun("tb", "b")}
        self.heard = {"a": [], "b": []}
        self.change = None
        sh("""ips '' 'link set ta up' 'addr add 192.168.9.1/24 dev ta' 'addr add fd09::1/64 dev ta'
              ips b 'link set tb up' 'addr add 192.168.9.2/24 dev tb' \
                  'addr add fd09::2/64 dev tb'""")

    def pump(self, done, seconds=5):
        """Lets packets through until done() is true; returns its value."""
        end = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select(self.ends.values(), [], [], 0.1)
            for side, other in ("a", "b"), ("b", "a"):
                if self.ends[side] not in ready:
                    continue
                packet = Packet(os.read(self.ends[side], 65536))
                self.heard[side].append(packet)
                for data in [packet.data] if not self.change else self.change(side, packet):
                    os.write(self.ends[other], data)
            answer = done()
            if answer or time.monotonic() > end:
                return answer

    def wait(self, seconds):
        """Lets packets through for some time; returns those that "a" has sent."""
        before = len(self.heard["a"])
        self.pump(lambda: None, seconds)
        return self.heard["a"][before:]

    def carry(self, sender, to, receiver, data=b"hello", seconds=5, change=None):
        """Sends a datagram; returns the data and the TOS received."""
        self.change = change
        sender.sendto(data, to)
        answer = self.pump(lambda: receive(receiver), seconds)
        self.change = None
        return answer

    def hold_back(self, sender, to, count, form=b"%d"):
        """Sends numbers that are held back; returns the packets, as bytes, with their messages."""
        held = []

        def hold(_, packet):
            if packet.type != DATA:
                return [packet.data]
            held.append(packet.data)
            return []

        self.change = hold
        for number in range(count):
            sender.sendto(form % number, to)
        self.pump(lambda: len(held) >= count)
        self.change = None
        return held

    def refusal(self, device, packet):
        """The ICMP error in answer to a packet from a tun: source, destination, type, code, MTU,
        and whether it quotes this packet."""
        drain(device)
        os.write(device, packet)
        self.wait(0.3)
        for answer in (p.data for p in drain(device)):
            at, size, protocol = (20, 4, answer[9]) if answer[0] >> 4 == 4 else (40, 16, answer[6])
            # Skip neighbor discovery.
            if protocol not in (1, 58) or answer[at] > 127:
                continue
            pair = slice(at - 2 * size, at)
            return (*[str(ipaddress.ip_address(answer[pair][n:n + size])) for n in (0, size)],
                    answer[at], answer[at + 1], int.from_bytes(answer[at + 4:at + 8], "big"),
                    answer[at + 8:][pair] == packet[pair])
        return None


def couple():
    """Makes fwg0, here, and wg0, in "b", peers of each other; both are up."""
    sh("""umask 077
        fwg genkey >ka; fwg genkey >kb
        ips '' 'link set lo up' 'link add fwg0 type forkguard'
        ips b 'link set lo up' 'link add wg0 type wireguard'
        fwg set fwg0 private-key ka listen-port 1000 peer $(fwg pubkey <kb) \
            endpoint 192.168.9.2:1000 allowed-ips 10.0.0.2/32,fd00::2/128
        ip netns exec b wg set wg0 private-key kb listen-port 1000 peer $(fwg pubkey <ka) \
            endpoint 192.168.9.1:1000 allowed-ips 10.0.0.1/32,fd00::1/128
        ips b 'addr add 10.0.0.2/24 dev wg0' 'addr add fd00::2/64 dev wg0' 'link set wg0 up'
        """ + ADDRESSES)


ADDRESSES = ("ips '' 'addr add 10.0.0.1/24 dev fwg0' 'addr add fd00::1/64 dev fwg0' "
             "'link set fwg0 up'\n")


def show(field, column=2, tool="fwg", name="fwg0"):
    """A field of the only peer, as fwg shows it."""
    return sh(f"{tool} show {name} {field}").split("\t")[column - 1]


def statistics(name="fwg0"):
    """The counters of an interface."""
    return json.loads(sh(f"ip -j -s -s link show {name}"))[0]["stats64"]


def drops(name="fwg0"):
    """The drop counters of a forkguard interface that are not 0, by reason."""
    words = (line.split(":") for line in sh(f"ethtool -S {name}").splitlines()[1:])
    return {reason.strip(): int(count) for reason, count in words if int(count)}


def complaints():
    """The lines of the kernel's log about routing loops."""
    log = ctypes.create_string_buffer(1 << 20)
    length = LIBC.klogctl(3, log, len(log))
    return [line for line in log.raw[:length].decode(errors="replace").splitlines()
            if "Dead loop" in line]
