# SPDX-License-Identifier: GPL-2.0
"""Follows a machine after a fork by its captures.

Times are those of the guest's own clock, which stops while the guest is stopped.
QEMU stamps captures with that clock plus a whole number of seconds. The last packet
before the fork gives the time of the fork, and so that of the resume in the captures
of all clones, except for whole seconds, which the lab counts.
"""

import time

from . import pcap

MORE = 0.5      # seconds of traffic wanted under the new key
POLL = 0.1
SECOND = 1000000


def sessions(messages):
    """The receiver indices of all sessions of the messages."""
    return {m.receiver for m in messages if m.kind == pcap.TRANSPORT}


class Timeline:
    """One machine that has just been resumed after a fork. reader: its capture,
    from the fork on; past: the messages before the fork."""

    def __init__(self, name, reader, past):
        self.name = name
        self.path = reader.path
        self.old = sessions(past)
        self._past = past
        self._stopped = past[-1].micros
        self._started = time.monotonic()
        self.messages = []
        self._reader = reader
        self._resumed = None
        self.window = []        # messages sent under a key from before the fork
        self.new_sent = None    # first data sent under a new key
        self.new_received = None
        self.last = 0.0         # time of the latest packet

    def update(self):
        for m in self._reader.messages():
            self.messages.append(m)
            if self._resumed is None:
                first = (m.micros - self._stopped) % SECOND
                waited = (time.monotonic() - self._started) * SECOND
                whole = max(0, int((waited - first) / SECOND)) * SECOND
                self._resumed = m.micros - first - whole
            self.last = (m.micros - self._resumed) / SECOND
            if m.kind != pcap.TRANSPORT:
                continue
            if m.sent and m.receiver in self.old:
                self.window.append(m)
            elif m.sent and self.new_sent is None:
                self.new_sent = self.last
            elif not m.sent and m.carries_data and \
                    m.receiver not in self.old and self.new_received is None:
                self.new_received = self.last

    def before(self):
        """The messages before the fork, each with its time in milliseconds
        relative to the fork."""
        return [((m.micros - self._stopped) / 1000, m) for m in self._past]

    def after(self):
        """The messages since the machine was resumed, in the same form."""
        return [((m.micros - self._resumed) / 1000, m) for m in self.messages]

    @property
    def recovered(self):
        """Seconds until there was data in both directions under a new key, or
        None."""
        if self.new_sent is None or self.new_received is None:
            return None
        return max(self.new_sent, self.new_received)


def wait_recovered(timelines, timeout):
    """Follows machines until all have recovered and have sent for some more time, or
    until the timeout."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for timeline in timelines:
            timeline.update()
        if all(t.recovered is not None and t.last > t.recovered + MORE
               for t in timelines):
            return
        time.sleep(POLL)


def wait_handshakes(reader, wanted, within, timeout):
    """Waits until `wanted` initiations were sent in the last `within` seconds of the
    guest's time, so that handshakes are in progress. Returns the messages read, and
    whether there were that many."""
    deadline = time.monotonic() + timeout
    seen, recent = [], []
    while time.monotonic() < deadline:
        fresh = reader.messages()
        seen += fresh
        recent += [m.micros for m in fresh
                   if m.sent and m.kind == pcap.INITIATION]
        if seen:
            recent = [t for t in recent
                      if t > seen[-1].micros - within * SECOND]
        if len(recent) >= wanted:
            return seen, True
        time.sleep(0.003)
    return seen, False
