# SPDX-License-Identifier: GPL-2.0
"""Gives the kernel keys that leave no trace in this program, and searches all memory for them.

A key consists of a mark, its number, and zeros. Only the kernel has the mark in memory: this
program keeps it inverted, fills it into messages in place, and wipes them after use.
"""

import os
import re
import struct

import netlink
from netlink import attribute

HOLE = bytes(32)
HOLES = re.compile(rb"\x24\0[\x02\x03]\0\0{32}")  # attributes in which to fill in keys
INVERTED = os.urandom(20)
HALF = len(INVERTED) // 2
STEP = 4 << 20
PAGE = 4096


def invert(data):
    """Inverts the mark, or inverts it back."""
    return bytes(byte ^ 0xFF for byte in data)


def give(family, name, number, *peers):
    """Gives a device keys with that number: its private key, and the PSK of peers where it is a
    HOLE."""
    payload = bytes((netlink.SET_DEVICE, 1, 0, 0)) + attribute(netlink.IFNAME, name) + \
        attribute(netlink.PRIVATE_KEY, HOLE) + attribute(netlink.PEERS, list(peers))
    family.sequence += 1
    header = struct.pack("=IHHII", 16 + len(payload), family.number,
                         netlink.REQUEST | netlink.ACK, family.sequence, 0)
    message = bytearray(header + payload)
    for hole in list(HOLES.finditer(message)):
        for i, byte in enumerate(INVERTED):
            message[hole.start() + 8 + i] = byte ^ 0xFF
        message[hole.end() - 8:hole.end() - 4] = struct.pack("=I", number)
    try:
        family.socket.send(message)
    finally:
        for i in range(len(message)):
            message[i] = 0


def numbers_in(data):
    """The numbers of the keys in data, found without putting a whole mark together."""
    for match in re.finditer(re.escape(invert(INVERTED[:HALF])), data):
        end = match.end() + HALF
        if invert(data[match.end():end]) == INVERTED[HALF:] and len(data) >= end + 4:
            yield struct.unpack_from("=I", data, end)[0]


def memory():
    """The ranges of all memory: the kernel's image, and the memory beyond it. Between them, nothing
    is mapped around the program break, and for 4 MiB more."""
    with open(os.environ["FORKGUARD_UML"] + "/linux", "rb") as file:
        image = file.read(4096)
    at, size, count = struct.unpack_from("=32xQ14xHH", image)
    loaded = [struct.unpack_from("=I12xQ16xQ", image, at + size * i) for i in range(count)]
    begin = min(address for kind, address, _ in loaded if kind == 1) & -PAGE
    end = max(address + length for kind, address, length in loaded if kind == 1) & -PAGE
    yield 0, end - begin
    yield (end + PAGE + STEP & -STEP) + STEP - begin, 1 << 40


def found():
    """The numbers of all keys in memory."""
    numbers, seen = set(), 0
    file = os.open("/dev/mem", os.O_RDONLY)
    for at, end in memory():
        rest = b""
        while at < end:
            try:
                data = os.pread(file, min(STEP, end - at), at)
            except OSError:
                break
            if not data:
                break
            numbers.update(numbers_in(rest + data))
            at, seen, rest = at + len(data), seen + len(data), data[-64:]
    os.close(file)
    assert seen > 256 << 20, f"only {seen} bytes of memory"
    return numbers
