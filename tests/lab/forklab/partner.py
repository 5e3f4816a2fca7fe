# SPDX-License-Identifier: GPL-2.0
"""A peer that is forked together with the guest, and judges by key and nonce.

Each clone gets a copy of the peer, which does not notice the fork. All copies give
the same answer to the same message, and begin the same handshake. So clones that
initiate, respond or finish alike get the same session, and the copies make them
send data in it. As the other end of every session, a partner knows the key under
which a message was encrypted.
"""

import copy

from . import LabError, pcap, peer
from .primitives import blake2s

FRESH = 4       # packets after which a new session counts as used


class Partner(peer.Peer):
    """A peer.Peer that answers at once. origin: the partner of which it is a copy."""

    def __init__(self, plug, guest_mac, private, guest_public, origin=None):
        self._ends = guest_mac, private, guest_public
        self._inner = None
        self._answer = None     # the last response
        self._fresh = 0         # packets in sessions that this copy has made
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
        """Draws numbers that depend only on the occasion, so that all copies draw
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
        """Before a clone runs, delivers messages that may have been in flight, so that
        it can finish its handshake or use its session. With a time to claim, also
        begins a handshake."""
        with self._news:
            if self._answer:
                self.transmit(self._answer)
            self.say()
            if initiate_at:
                self.initiate(initiate_at)

    @property
    def content(self):
        """Has the clone made a session and used it?"""
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
        """Processes a message. A clone may send a message that does not fit the state
        of this copy; that gets no answer."""
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
        """The key and nonce of a message of the guest, and its text. For a handshake
        message, the ephemeral key stands for the key, which is derived from it."""
        if message.kind == pcap.TRANSPORT:
            if message.receiver not in self._sessions:
                raise LabError("peer: data in an unknown session")
            session = self._sessions[message.receiver]
            return (session.keys[1], message.counter), message.data[16:]
        if message.is_handshake:
            ephemeral = message.ephemeral
            at = message.data.index(ephemeral) + len(ephemeral)
            return (message.kind, ephemeral), message.data[at:-32]
        return message.data[8:32], message.data[32:]


class Book:
    """The texts by key and nonce under which they were encrypted. past: the book
    from before the fork, which is searched but not changed."""

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
