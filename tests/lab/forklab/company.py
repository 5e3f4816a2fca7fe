# SPDX-License-Identifier: GPL-2.0
"""The peer of a guest that is forked again and again. It also judges the messages
that the guest and its clones send.

There are two kinds. A stock WireGuard peer is not forked. The clones' cables then
lead nowhere, so each key of a clone is from before the fork or drawn by the clone
alone; fwg-audit judges. A partner is copied for each clone, so that clones share
sessions with it. It knows the keys, and judges by them.
"""

import contextlib
import random
import sys
import time

from . import LabError, audit, kit, pcap, tunnel
from .guest import Cable, Guest, Machine, settle
from .partner import Book, Partner

PEER_RATE = 100         # packets a second
SWITCH = 0.0005         # seconds between switches of threads, because partners compute long


class Follower:
    """Follows the messages of a clone. partner: its partner, or None."""

    def __init__(self, clone, partner):
        self.partner = partner
        self.sent = []
        self._reader = pcap.Reader(clone.captures[0])

    def update(self):
        self.sent += [m for m in self._reader.messages() if m.sent]

    @property
    def silent(self):
        """Has the clone begun no handshake?"""
        return not any(m.kind == pcap.INITIATION for m in self.sent)

    @property
    def content(self):
        """Is there nothing more to wait for?"""
        return not self.partner or self.partner.content


class StockPeer:
    """The peer is a guest with stock WireGuard."""
    rate = 2000             # packets a second from each CPU of the subject

    def __init__(self, kernel, memory, folder):
        self._cable = Cable()
        self.plug = self._cable.plug(0)
        self._folder = folder
        self._subject = None
        self._captures = []     # of all machines so far
        self._guest = Guest("peer", Machine(kit.load(kernel, "wireguard"), 1,
                                            memory, mac=2),
                            [self._cable.plug(1)], folder)

    def settle_in(self, subject, one, two, commands):
        """Configures this end. commands: further commands to run."""
        self._subject = subject
        self.adopt([subject])
        self._guest.wait_ready()
        self._guest.run(commands + tunnel.cable_up(two.number) +
                        two.bring_up(one, one.endpoint()))

    def begin(self, one, two):
        """Sends data, and keeps beginning handshakes."""
        self._guest.run(f"traffic -r {PEER_RATE} {one.v4} &")
        self._guest.run(f"while sleep 0.8; do {two.forget_sessions(one)}; "
                        "done >/dev/null 2>&1 &")

    def provoke(self):
        """Called before each fork."""

    def adopt(self, guests):
        """Includes the captures of these guests in the judgment at the end."""
        self._captures += [c for g in guests for c in g.captures]

    def follow(self, clones, plugs):
        """Returns followers of clones that are about to run, on these plugs."""
        del plugs
        self.adopt(clones)
        return [Follower(clone, None) for clone in clones]

    def judge(self, fork):
        """Returns the numbers of messages and reuses in a fork and its past."""
        # The peer's packets are captured although the subject is stopped.
        self._guest.stop()
        settle([c.path for c in self._subject.captures])
        verdict = audit.judge(fork.captures)
        self._guest.cont()
        return verdict.judged, verdict.reused

    def close(self):
        pass

    def end(self):
        """Judges all machines together."""
        self._guest.kill()
        verdict = audit.judge(self._captures)
        return verdict.judged, verdict.reused


class OwnPeer:
    """The peer is a partner."""
    rate = 250

    def __init__(self, *_):
        sys.setswitchinterval(SWITCH)
        self.plug = Cable().plug(0)
        self._partner = self._reader = None
        self._book = Book()     # the subject's messages
        self._followers = []    # followers of all clones
        self._running = []      # partners whose threads run

    def settle_in(self, subject, one, two, _):
        [capture] = subject.captures
        self._partner = Partner(self.plug, capture.mac, two.identity.private,
                                one.identity.public)
        self._running.append(self._partner)
        self._partner.talk_of(two.v4, one.v4)
        self._reader = pcap.Reader(capture)

    def begin(self, one, two):
        pass

    def provoke(self):
        self._partner.initiate()

    def follow(self, clones, plugs):
        partners = self._partner.copies(plugs)
        self._running += partners
        initiate_at = random.choice((None, time.time_ns()))
        for partner in partners:
            partner.greet(initiate_at)
        return [Follower(clone, partner)
                for clone, partner in zip(clones, partners)]

    def _update(self):
        self._book.add((m for m in self._reader.messages() if m.sent),
                       self._partner)

    def judge(self, fork):
        for follower in fork.followers:
            self._end(follower.partner)
        self._followers += fork.followers
        self._update()
        return self._together(Book(self._book), fork.followers)

    @staticmethod
    def _together(book, followers):
        for follower in followers:
            book.add(follower.sent, follower.partner)
        return book.judged, book.reused

    def _end(self, partner):
        self._running.remove(partner)
        partner.end()

    def end(self):
        self._end(self._partner)
        self._update()
        return self._together(self._book, self._followers)

    def close(self):
        """Ends all threads, also after an error."""
        for partner in self._running:
            with contextlib.suppress(LabError):
                partner.end()
