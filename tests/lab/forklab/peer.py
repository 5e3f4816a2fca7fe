# SPDX-License-Identifier: GPL-2.0
"""A WireGuard peer in plain Python, at the other end of a guest's cable.

As the other end of every handshake it knows the guest's secrets, too. It keeps a
list of them, including intermediate values.
"""

import base64
import collections
import contextlib
import copy
import hmac
import os
import re
import select
import socket
import struct
import threading
import time

from . import LabError
from .pcap import COOKIE as COOKIE_REPLY
from .pcap import INITIATION, RESPONSE, TRANSPORT
from .primitives import (
    blake2s, chacha20_work, seal, trace_hmac, unseal, x25519, xseal)

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
PROLOGUE = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
MAC = bytes((0x52, 0x54, 0, 0, 0, 2))
IP = bytes((192, 168, 9, 2))
PORT = 51820
STREAM_BLOCKS = 2       # blocks of key stream of each message to search for
AHEAD = 16              # how many messages may be lost in a row

# Kinds of secrets.
SESSION = "session key"
CHAINING = "chaining key"
EPHEMERAL = "ephemeral private key"
HANDSHAKE = "handshake message key"
SHARED = "Diffie-Hellman result"
HKDF = "inside of HKDF"
CIPHER = "inside of ChaCha20"
ONE_TIME = "one-time key of a message"
STREAM = "key stream of a message"
COOKIE = "cookie of the peer's"
KINDS = (SESSION, CHAINING, EPHEMERAL, HANDSHAKE, SHARED, HKDF, CIPHER,
         ONE_TIME, STREAM, COOKIE)

Secret = collections.namedtuple("Secret", "kind bytes least")


class Secrets(list):
    """All secrets so far, in every form that they have in memory. least: how many
    consecutive bytes prove that the secret is there."""

    def note(self, kind, value, least=8):
        self.append(Secret(kind, value, least))

    def hmac(self, key, data):
        """HMAC-BLAKE2s; notes the result and all intermediate values."""
        return trace_hmac(key, data)

    def keep(self, messages, nonce, sealed):
        """Keeps a data message, to note the secrets of its encryption."""
        messages[nonce] = sealed

    def note_limbs(self, kind, number, bits, size):
        """Notes a number in the form of limbs, as used in arithmetic."""
        mask = (1 << bits) - 1
        limbs = []
        while number or not limbs:
            limbs.append((number & mask).to_bytes(size, "little"))
            number >>= bits
        self.note(kind, b"".join(limbs), 2 * 8)

    def note_cipher_key(self, kind, key):
        self.note(kind, key)
        for at in range(0, len(key), 4):        # a vector of one word
            self.note(kind, key[at:at + 4] * 4, 16)

    def note_message(self, key, nonce, sealed):
        """Notes the intermediate values of encrypting a message under a key."""
        (block, work), *rest = (chacha20_work(key, nonce, number)
                                for number in range(1 + STREAM_BLOCKS))
        r = int.from_bytes(block[:16], "little") & \
            0x0ffffffc0ffffffc0ffffffc0fffffff
        for state in (work, *(state for _, state in rest)):
            # The rest has no secret added.
            self.note(CIPHER, state[:48])
        self.note(ONE_TIME, block)
        self.note(ONE_TIME, r.to_bytes(16, "little"))
        self.note_limbs(ONE_TIME, r, 26, 4)
        self.note_limbs(ONE_TIME, r, 44, 8)
        stream = b"".join(block for block, _ in rest)
        # Where the plaintext is zero, the key stream is sent, so it is no secret.
        text = bytes(a ^ b for a, b in zip(stream, sealed[:-16]))
        start = 0
        for zeros in re.finditer(rb"\0{8,}", text):
            self.note(STREAM, stream[start:zeros.start() + 7])
            start = zeros.end() - 7
        self.note(STREAM, stream[start:len(text)])


class Forgetful(Secrets):
    """Keeps no list, and computes faster."""

    def note(self, kind, value, least=8):
        pass

    def note_message(self, key, nonce, sealed):
        pass

    def keep(self, messages, nonce, sealed):
        pass

    def hmac(self, key, data):
        return hmac.digest(key, data, "blake2s256"), []


class Handshake:
    """The state of a Noise handshake. Values that can be computed from the messages
    alone are not secret, and are not noted."""

    def __init__(self, secrets, responder):
        self.secrets = secrets
        self.public = True
        self.chaining_key = blake2s(CONSTRUCTION)
        self.hash = blake2s(blake2s(self.chaining_key, PROLOGUE), responder)
        self.key = None

    def mix_hash(self, data):
        self.hash = blake2s(self.hash, data)

    def kdf(self, count, data):
        found = []
        key, between = self.secrets.hmac(self.chaining_key, data)
        between.append(key)
        last = b""
        for number in range(1, count + 1):
            last, more = self.secrets.hmac(key, last + bytes((number,)))
            between += more
            found.append(last)
        if not self.public:
            for value in between:
                self.secrets.note(HKDF, value)
        return found

    def mix_key(self, data):
        self.chaining_key, self.key = self.kdf(2, data)
        self._note_keys()

    def mix_psk(self, psk):
        self.chaining_key, tau, self.key = self.kdf(3, psk)
        self.mix_hash(tau)
        self.secrets.note(HKDF, tau)
        self._note_keys()

    def _note_keys(self):
        if not self.public:
            self.secrets.note(CHAINING, self.chaining_key)
            self.secrets.note_cipher_key(HANDSHAKE, self.key)

    def mix_dh(self, private, public, static=False):
        """static: of two identity keys. Those stay in memory, so their result is
        not searched for."""
        shared = x25519(private, public)
        if not static:
            self.secrets.note(SHARED, shared)
            self.secrets.note_limbs(SHARED, int.from_bytes(shared, "little"),
                                    51, 8)
        self.public = False
        self.mix_key(shared)

    def mix_ephemeral(self, public):
        self.mix_hash(public)
        self.mix_key(public)

    def seal(self, data):
        sealed = seal(self.key, 0, data, self.hash)
        self.secrets.note_message(self.key, 0, sealed)
        self.mix_hash(sealed)
        return sealed

    def unseal(self, sealed):
        data = unseal(self.key, 0, sealed, self.hash)
        if data is None:
            raise LabError("peer: a handshake message is not authentic")
        self.secrets.note_message(self.key, 0, sealed)
        self.mix_hash(sealed)
        return data

    def split(self):
        keys = self.kdf(2, b"")
        for key in keys:
            self.secrets.note_cipher_key(SESSION, key)
        return keys


class Session:
    """The keys and, for each direction, messages by nonce."""

    def __init__(self, remote_index, send_key, receive_key):
        self.remote_index = remote_index
        self.keys = (send_key, receive_key)
        self.sent = 0
        self.messages = ({}, {})
        self._known = [0, 0]

    def note(self, secrets):
        for way, (key, messages) in enumerate(zip(self.keys, self.messages)):
            last = max(messages, default=-1) + AHEAD
            for nonce in {*messages, *range(self._known[way], last + 1)}:
                secrets.note_message(key, nonce, messages.get(nonce, b""))
            self._known[way] = max(self._known[way], last + 1)
            messages.clear()


class Peer(threading.Thread):
    """A peer that answers handshakes only on request. plug: the guest's, end 0."""

    def __init__(self, plug, guest_mac, private, guest_public, secrets=None):
        super().__init__(daemon=True)
        self._private = base64.b64decode(private)
        self._public = x25519(self._private)
        self._guest_public = base64.b64decode(guest_public)
        self._guest_mac = guest_mac
        self._to = (plug.host, plug.local)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((plug.host, plug.remote))
        self._news = threading.Condition()
        self._ended = False
        self._secrets = Secrets() if secrets is None else secrets
        self._sessions = {}     # by our index
        self._begun = {}        # handshakes that we began, by our index
        self._fault = None
        self.current = None     # the session to send with
        self.initiations = 0    # received
        self.responses = 0
        self.received = 0       # data messages
        self.pending = None     # handshake and message of the guest's latest initiation
        self.begun = 0          # number of handshakes that we began
        self.start()

    # --- the interface for scenes

    def initiate(self, now=None):
        """Begins a handshake. now: the time to claim, in ns."""
        with self._news:
            self.begun += 1
            ephemeral, index = self.draw(b"initiation %d" % self.begun)
            public = x25519(ephemeral)
            hs = Handshake(self._secrets, self._guest_public)
            hs.mix_ephemeral(public)
            hs.mix_dh(ephemeral, self._guest_public)
            message = public + hs.seal(self._public)
            hs.mix_dh(self._private, self._guest_public, static=True)
            now = now or time.time_ns()
            message += hs.seal(struct.pack(
                ">QI", 0x400000000000000a + now // 10 ** 9, now % 10 ** 9))
            self._begun[index] = hs, ephemeral
            self._send_handshake(struct.pack("<II", INITIATION, index)
                                 + message)

    def foresee(self, private):
        """Given the guest's ephemeral key in the latest handshake that we began,
        notes all secrets that the guest is going to compute."""
        with self._news:
            self._secrets.note(EPHEMERAL, private)
            hs, ephemeral = list(self._begun.values())[-1]
            self._finish(copy.copy(hs), ephemeral, x25519(private))

    def answer(self):
        """Answers the guest's latest initiation, and gives a cookie."""
        with self._news:
            hs, message = self.pending
            self.pending = None
            self._give_cookie(message)
            theirs = message[8:40]
            ephemeral, index = self.draw(message)
            public = x25519(ephemeral)
            hs.mix_ephemeral(public)
            hs.mix_dh(ephemeral, theirs)
            hs.mix_dh(ephemeral, self._guest_public)
            hs.mix_psk(bytes(32))
            self._send_handshake(struct.pack("<II", RESPONSE, index)
                                 + message[4:8] + public + hs.seal(b""))
            to_us, to_them = hs.split()
            self.current = Session(message[4:8], to_them, to_us)
            self._sessions[index] = self.current

    def _give_cookie(self, message):
        cookie, nonce = (self.draw(what + message)[0]
                         for what in (b"cookie", b"nonce"))
        self._secrets.note(COOKIE, cookie[:16])
        key = blake2s(b"cookie--", self._public)
        self.transmit(struct.pack("<I", COOKIE_REPLY) + message[4:8]
                      + nonce[:24] + xseal(key, nonce[:24], cookie[:16],
                                           message[-32:-16]))

    def send(self, packet=b""):
        """Sends an inner packet, or a keepalive."""
        with self._news:
            session = self.current
            data = packet + bytes(-len(packet) % 16)
            nonce = session.sent
            session.sent += 1
            sealed = seal(session.keys[0], nonce, data)
            self._secrets.keep(session.messages[0], nonce, sealed)
            self.transmit(struct.pack("<I", TRANSPORT) + session.remote_index
                          + struct.pack("<Q", nonce) + sealed)

    def wait(self, what, timeout, condition):
        """Waits until condition() is true of this peer."""
        with self._news:
            if not self._news.wait_for(lambda: self._fault or condition(),
                                       timeout):
                raise LabError(f"peer: no {what} in {timeout} s")
            if self._fault:
                raise self._fault

    def secrets(self):
        """All secrets so far."""
        with self._news:
            for session in self._sessions.values():
                session.note(self._secrets)
            return list(self._secrets)

    def note(self, kind, value):
        """Adds a secret that was found in another way."""
        with self._news:
            self._secrets.note(kind, value)

    def end(self):
        self._ended = True
        self._socket.sendto(b"", self._socket.getsockname())
        self.join()
        self.hear()
        self._socket.close()

    # --- the wire

    def run(self):
        while not self._ended:
            select.select([self._socket], [], [])
            self.hear()

    def hear(self):
        """Processes the packets that have arrived."""
        with self._news, contextlib.suppress(BlockingIOError):
            while True:
                frame = self._socket.recv(65536, socket.MSG_DONTWAIT)
                try:
                    self.take(frame)
                except (LabError, LookupError, struct.error) as error:
                    self._fault = LabError(f"peer: {error!r}")
                self._news.notify_all()

    def take(self, frame):
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and \
                frame[38:42] == IP:
            self._emit(0x0806, frame[14:20] + b"\0\2" + MAC + IP
                       + frame[22:32])
        elif frame[12:14] == b"\x08\x00" and frame[23] == 17:
            size = struct.unpack_from(">H", frame, 38)[0]
            self.take_message(frame[42:34 + size])

    def take_message(self, message):
        kind = message[0]
        if kind == INITIATION:
            hs = Handshake(self._secrets, self._public)
            hs.mix_ephemeral(message[8:40])
            hs.mix_dh(self._private, message[8:40])
            if hs.unseal(message[40:88]) != self._guest_public:
                raise LabError("an initiation from an unknown peer")
            hs.mix_dh(self._private, self._guest_public, static=True)
            hs.unseal(message[88:116])
            self.pending = hs, message
            self.initiations += 1
        elif kind == RESPONSE:
            index = struct.unpack_from("<I", message, 8)[0]
            hs, ephemeral = self._begun.pop(index)
            to_them, to_us = self._finish(copy.copy(hs), ephemeral,
                                          message[12:44], message[44:60])
            self.current = Session(message[4:8], to_them, to_us)
            self._sessions[index] = self.current
            self.responses += 1
        elif kind == TRANSPORT:
            index, nonce = struct.unpack_from("<IQ", message, 4)
            session = self._sessions[index]
            self._secrets.keep(session.messages[1], nonce, message[16:])
            self.received += 1

    def _finish(self, hs, ephemeral, theirs, sealed=None):
        """Computes the keys from a response. sealed: its encrypted part."""
        hs.mix_ephemeral(theirs)
        hs.mix_dh(ephemeral, theirs)
        hs.mix_dh(self._private, theirs)
        hs.mix_psk(bytes(32))
        if sealed:
            hs.unseal(sealed)
        else:
            hs.seal(b"")
        return hs.split()

    def draw(self, occasion):
        """Draws an ephemeral key and an index. Subclasses may use the occasion."""
        del occasion
        return os.urandom(32), int.from_bytes(os.urandom(4), "little")

    def _send_handshake(self, message):
        key = blake2s(b"mac1----", self._guest_public)
        self.transmit(message + blake2s(message, key=key, size=16) + bytes(16))

    def transmit(self, message):
        udp = struct.pack(">HHHH", PORT, PORT, 8 + len(message), 0) + message
        self._emit(0x0800, _ipv4(17, IP, IP[:3] + b"\1", udp))

    def _emit(self, ethertype, payload):
        self._socket.sendto(self._guest_mac + MAC
                            + struct.pack(">H", ethertype) + payload, self._to)


def _sum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack(">H", total ^ 0xffff)


def _ipv4(protocol, source, target, payload):
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64,
                         protocol, 0, source, target)
    return header[:10] + _sum(header) + header[12:] + payload


def ping(source, target, number):
    """An ICMP echo request."""
    echo = struct.pack(">BBHHH", 8, 0, 0, 1, number & 0xffff) + os.urandom(56)
    return _ipv4(1, socket.inet_aton(source), socket.inet_aton(target),
                 echo[:2] + _sum(echo) + echo[4:])
