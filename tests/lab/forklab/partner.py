# SPDX-License-Identifier: GPL-2.0
"""A peer that is forked together with the guest, and judges by key and nonce.

Each clone gets a copy of the peer that does not notice the fork. It gives the
same answer to the same message, and each copy starts the same handshake anew,
so clones that initiate, respond or finish alike share a session with it, and
it makes them send data in it. As the other end of every session, it knows
under which key a message was encrypted.
"""

import copy

from . import LabError, pcap, peer
from .primitives import blake2s

FRESH = 4       # packets, by which a new session is in use


class Partner(peer.Peer):
    """A peer.Peer that answers at once. origin: the partner that it is a copy
    of."""

    def __init__(self, plug, guest_mac, private, guest_public, origin=None):
        self._ends = guest_mac, private, guest_public
        self._inner = None
        self._answer = None     # the last response
        self._fresh = 0         # packets under keys that this one has seen come
        self._old = set()
        super().__init__(plug, guest_mac, private, guest_public,
                         peer.Forgetful())
        if origin:
            with self._news, origin._news:
                self._sessions = {
                    index: copy.copy(session)
                    for index, session in origin._sessions.items()}
                self._begun = dict(origin._begun)
                self._inner = origin._inner
                self._answer = origin._answer
                self._old = set(origin._sessions)
                self.current = copy.copy(origin.current)
                self.begun = origin.begun

    def copies(self, plugs):
        """Makes a copy for each plug of a clone that is not yet running.
        Everything that the stopped guest has sent is processed first."""
        self.hear()
        return [Partner(plug, *self._ends, origin=self) for plug in plugs]

    def draw(self, occasion):
        """Draws numbers that depend on the occasion only, so that copies draw
        the same."""
        seed = blake2s(b"ephemeral", self._private, occasion)
        return seed, int.from_bytes(blake2s(b"index", seed)[:4], "little")

    def talk_of(self, source, target):
        """Sets the addresses inside the tunnel that this peer uses."""
        self._inner = source, target

    def say(self):
        """Sends a packet, which shows the guest that its session is in use."""
        with self._news:
            if self.current:
                self.send(peer.ping(*self._inner, self.current.sent))

    def greet(self, initiate_at):
        """Before a clone runs: delivers what may be under way to it, so that
        it can finish what it has started and use what it has; and, given a
        time to claim, starts a handshake."""
        with self._news:
            if self._answer:
                self.transmit(self._answer)
            self.say()
            if initiate_at:
                self.initiate(initiate_at)

    @property
    def content(self):
        """Whether the clone has made a session and used it."""
        return self._fresh >= FRESH

    def end(self):
        alive = self.is_alive()
        super().end()
        if not alive or self._fault:
            raise self._fault or LabError("peer: its thread had ended")

    def transmit(self, message):
        if message[0] == pcap.RESPONSE:
            self._answer = message
        super().transmit(message)

    def take_message(self, message):
        """Processes a message. A machine with several pasts may send a message
        that makes no sense here; it then gets no answer."""
        kind = message[0]
        try:
            super().take_message(message)
        except (LabError, LookupError):
            return
        if kind == pcap.INITIATION:
            self.answer()
        elif kind == pcap.RESPONSE:
            self.say()
        elif kind == pcap.TRANSPORT and len(message) > pcap.KEEPALIVE_LEN and \
                int.from_bytes(message[4:8], "little") not in self._old:
            self._fresh += 1

    def nonce(self, message):
        """The key and nonce of a message of the guest, and its text. The
        ephemeral stands for the key of a handshake message, which follows from
        it."""
        if message.kind == pcap.TRANSPORT:
            if message.receiver not in self._sessions:
                raise LabError("peer: data for a session that nobody knows")
            session = self._sessions[message.receiver]
            return (session.keys[1], message.counter), message.data[16:]
        if message.is_handshake:
            ephemeral = message.ephemeral
            at = message.data.index(ephemeral) + len(ephemeral)
            return (message.kind, ephemeral), message.data[at:-32]
        return message.data[8:32], message.data[32:]


class Book:
    """Which texts were encrypted under which key and nonce. past: the book of
    what came before, which is looked up but not changed."""

    def __init__(self, past=None):
        self._past = past._texts if past else {}
        self._texts = {}
        self.judged, self.reused = (past.judged, past.reused) if past \
            else (0, 0)

    def add(self, messages, partner):
        for message in messages:
            nonce, text = partner.nonce(message)
            if nonce not in self._texts:
                self._texts[nonce] = set(self._past.get(nonce, ()))
            texts = self._texts[nonce]
            self.judged += 1
            self.reused += bool(texts) and text not in texts
            texts.add(text)
