# SPDX-License-Identifier: GPL-2.0
"""Reads captures: the WireGuard messages that a guest sent and received, and their
times.

Used for timelines and to show what a reused nonce reveals. fwg-audit decides
whether a nonce was reused, see audit.py.
"""

import dataclasses
import struct

from messages import (COOKIE, INITIATION, KEEPALIVE_LEN, RESPONSE,
                      TRANSPORT)

_RECORD = struct.Struct("<IIII")


@dataclasses.dataclass(frozen=True)
class Message:
    number: int     # of the packet in its file, from 1
    micros: int     # time on a clock that stops with the guest
    sent: bool      # by the capture's guest
    kind: int
    data: bytes     # the UDP payload

    @property
    def receiver(self):
        return struct.unpack_from("<I", self.data,
                                  8 if self.kind == RESPONSE else 4)[0]

    @property
    def counter(self):
        return struct.unpack_from("<Q", self.data, 8)[0]

    @property
    def ephemeral(self):
        start = 8 if self.kind == INITIATION else 12
        return self.data[start:start + 32]

    @property
    def is_handshake(self):
        return self.kind in (INITIATION, RESPONSE)

    @property
    def carries_data(self):
        return self.kind == TRANSPORT and len(self.data) > KEEPALIVE_LEN


@dataclasses.dataclass(frozen=True)
class Capture:
    """A capture file, and the MAC address of its guest, by which sent and received
    frames are distinguished."""
    path: str
    mac: bytes


class Reader:
    """Reads the messages of a capture that may still be growing."""

    def __init__(self, capture):
        self.path = capture.path
        self._mac = capture.mac
        self._offset = 24
        self._number = 0

    def messages(self):
        """The messages captured since the last call."""
        with open(self.path, "rb") as capture:
            capture.seek(self._offset)
            data = capture.read()
        found = []
        at = 0
        while at + _RECORD.size <= len(data):
            seconds, micros, length, _ = _RECORD.unpack_from(data, at)
            end = at + _RECORD.size + length
            if end > len(data):
                break
            self._number += 1
            frame = data[at + _RECORD.size:end]
            payload = _tunnel_payload(frame)
            if payload:
                found.append(Message(self._number, seconds * 1000000 + micros,
                                     frame[6:12] == self._mac, payload[0],
                                     payload))
            at = end
        self._offset += at
        return found


def read(capture):
    return Reader(capture).messages()


def _tunnel_payload(frame):
    """The UDP payload of a frame, if it can be WireGuard's; else None."""
    ethertype = frame[12:14]
    if ethertype == b"\x08\x00" and frame[23] == 17:
        udp = 14 + 4 * (frame[14] & 15)
    elif ethertype == b"\x86\xdd" and frame[20] == 17:
        udp = 14 + 40
    else:
        return None
    size = struct.unpack_from(">H", frame, udp + 4)[0]
    payload = frame[udp + 8:udp + size]
    if len(payload) < KEEPALIVE_LEN or \
            payload[0] not in (INITIATION, RESPONSE, COOKIE, TRANSPORT) or \
            payload[1:4] != b"\0\0\0":
        return None
    return payload
