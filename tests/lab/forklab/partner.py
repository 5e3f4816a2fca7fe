# SPDX-License-Identifier: GPL-2.0
"""A peer that helps clones to repeat themselves, and knows by which keys.

It is forked with the guest, a copy for each clone, and never notices. The same
message it answers with the same words, and each copy begins the same handshake
anew: clones that begin, answer or finish a handshake alike come to share a
session with it, and it has them talk. Since it is the other end of every
session, it can tell which key a message was encrypted under.
"""

from . import LabError, pcap, peer
from .primitives import blake2s


class Partner(peer.Peer):
    """As peer.Peer, but it answers at once. origin: whose copy it is."""

    def __init__(self, plug, guest_mac, private, guest_public, origin=None):
        self._ends = guest_mac, private, guest_public
        self._inner = None
        self.fresh = 0          # data under keys that this one has seen come
        self._old = set()
        super().__init__(plug, guest_mac, private, guest_public,
                         peer.Forgetful())
        if origin:
            with self._news, origin._news:
                self._sessions = dict(origin._sessions)
                self._begun = dict(origin._begun)
                self._inner = origin._inner
                self._old = set(origin._sessions)
                self.current = origin.current
                self.begun = origin.begun

    def copies(self, plugs):
        """A copy for each plug of a clone that is yet to run; what the guest,
        which stands still, has sent is heard first."""
        self.hear()
        return [Partner(plug, *self._ends, origin=self) for plug in plugs]

    def draw(self, occasion):
        """By the occasion alone, so that copies draw the same."""
        seed = blake2s(b"ephemeral", self._private, occasion)
        return seed, int.from_bytes(blake2s(b"index", seed)[:4], "little")

    def talk_of(self, source, target):
        """The addresses in the tunnel of what this peer says."""
        self._inner = source, target

    def say(self):
        """A packet, which shows the guest that its session is in use."""
        with self._news:
            if self.current:
                self.send(peer.ping(*self._inner, self.current.sent))

    def take_message(self, message):
        """What a machine says that has more pasts than one need not make
        sense: then it gets no answer."""
        kind = message[0]
        try:
            super().take_message(message)
        except (LabError, LookupError):
            return
        if kind == pcap.INITIATION:
            self.answer()
        elif kind == pcap.RESPONSE:
            self.say()
        elif int.from_bytes(message[4:8], "little") not in self._old:
            self.fresh += 1

    def nonce(self, message):
        """The key and nonce of a message of the guest's, and its text. Where
        nobody knows the key, the index stands for it; that of a handshake
        message follows from its ephemeral."""
        if message.kind == pcap.TRANSPORT:
            session = self._sessions.get(message.receiver)
            return (session.keys[1] if session else message.receiver,
                    message.counter), message.data[16:]
        if message.is_handshake:
            ephemeral = message.ephemeral
            at = message.data.index(ephemeral) + len(ephemeral)
            return (ephemeral, 0), message.data[at:-32]
        return message.data[8:32], message.data[32:]


class Book:
    """Which texts were encrypted under which key and nonce."""

    def __init__(self):
        self._texts = {}
        self.judged = self.reused = 0

    def add(self, messages, partner):
        for message in messages:
            nonce, text = partner.nonce(message)
            texts = self._texts.setdefault(nonce, set())
            self.judged += 1
            self.reused += bool(texts) and text not in texts
            texts.add(text)

    def with_clones(self, sent):
        """Judges what clones sent, beside what their past is here. sent: of
        each clone, its messages and its partner."""
        texts = {}
        reused = 0
        for messages, partner in sent:
            for message in messages:
                nonce, text = partner.nonce(message)
                known = texts.setdefault(
                    nonce, set(self._texts.get(nonce, ())))
                reused += bool(known) and text not in known
                known.add(text)
        return reused
