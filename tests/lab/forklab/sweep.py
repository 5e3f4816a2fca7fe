# SPDX-License-Identifier: GPL-2.0
"""Forks a guest at chosen instructions, over and over, and judges each fork.

The subject is a guest that talks with a stock WireGuard peer, in both
directions, while both of them begin new handshakes all the time. A debugger
stops it at an instruction; it is copied there, twice, and runs on to the next.
The clones run until the kernel has told them of the fork and they have begun a
handshake; nobody answers them, so each key they use is one that they share, or
that they drew alone.
"""

import dataclasses
import os
import random
import time

from . import audit, fork, kit, pcap, tunnel
from .guest import Cable, Guest, Machine, settle, splats
from .walk import NotReached, Walker, functions

CLONES = 2
RUNNING = 3             # forks whose clones run at one time, at most
MEMORY = 128            # MiB
RATE = 2000             # packets a second from each CPU of the subject
PEER_RATE = 100
LEAST, MOST = 0.4, 20   # seconds for which clones run
LEAF = 64               # instructions
LEAF_FORKED = 500       # instructions of it, among which a fork is
LONGEST = 20000         # of a trail: whoever answers handshakes may not come to an end
# A debugger has CPUs wait for longer than RCU and the watchdog would have it.
NO_STALLS = """echo 1 >/sys/module/rcupdate/parameters/rcu_cpu_stall_suppress
echo 0 >/proc/sys/kernel/watchdog
"""
RACES = 200             # tries to have two CPUs meet
TRIES = 3               # to come to a point
MEETING = 0.2           # seconds for each


@dataclasses.dataclass(frozen=True)
class Result:
    """Of one fork."""
    point: str
    judged: int         # messages
    reused: int
    alike: int          # messages that all clones sent, to the last bit
    silent: int         # clones that began no handshake


class Fork:
    """One fork while its clones run. beside: what else runs on, other than
    the subject, and is to end with them."""

    def __init__(self, point, clones, beside, subject):
        self.point = point
        self.guests = clones + beside
        self.captures = [c for g in [subject] + self.guests
                         for c in g.captures]
        self._readers = [pcap.Reader(g.captures[0]) for g in clones]
        self._sent = [[] for _ in clones]
        self._began = time.monotonic()

    def _update(self):
        for reader, sent in zip(self._readers, self._sent):
            sent += [m for m in reader.messages() if m.sent]

    @property
    def done(self):
        self._update()
        took = time.monotonic() - self._began
        return took > MOST or took > LEAST and not self._silent

    @property
    def _silent(self):
        return sum(not any(m.kind == pcap.INITIATION for m in sent)
                   for sent in self._sent)

    def judge(self):
        """Ends the clones; the subject stands still meanwhile."""
        for guest in self.guests:
            if not guest.alive:
                raise guest.ended(self.point)
            guest.kill()
        verdict = audit.judge(self.captures)
        self._update()
        alike = set.intersection(*({m.data for m in sent}
                                   for sent in self._sent))
        return Result(self.point, verdict.judged, verdict.reused, len(alike),
                      self._silent)


class Subject:
    """A guest that is forked again and again. ways: to all points that it
    will be taken to; report: called with each Result."""

    def __init__(self, kernel, system, folder, ways, cpus, module, report):
        self.folder = folder
        self._report = report
        self._running = []      # Forks
        self._count = 0
        self._boot(kernel, system, cpus, module, ways)
        self.captures = list(self.guest.captures)   # of all its relatives
        self.walker = Walker(self.guest, self._addresses)

    def _boot(self, kernel, system, cpus, module, ways):
        cable = Cable()
        self.guest, self.peer = (
            Guest(name, Machine(kit.load(kernel, of, part), count, MEMORY,
                                mac=number),
                  [cable.plug(number - 1)], self.folder)
            for number, (name, of, part, count) in enumerate(
                (("subject", system, module, cpus),
                 ("peer", "wireguard", None, 1)), 1))
        one = tunnel.End(system, 1, tunnel.identity())
        two = tunnel.End("wireguard", 2, tunnel.identity())
        sides = ((self.guest, one, two, 0.5), (self.peer, two, one, 0.8))
        for guest, end, other, _ in sides:
            guest.wait_ready()
            guest.run(NO_STALLS + tunnel.cable_up(end.number) +
                      end.bring_up(other, other.endpoint()))
        self._addresses = functions(self.guest, ways)
        self.guest.run(f"ping -c 1 -W 20 {two.v4}")
        self.peer.run(f"traffic -r {PEER_RATE} {one.v4} &")
        for cpu in range(cpus):
            self.guest.run(f"taskset {1 << cpu:x} traffic -r {RATE} "
                           f"-p {7777 + cpu} {two.v4} &")
        for guest, end, other, pause in sides:
            guest.run(f"while sleep {pause}; do {end.forget_sessions(other)}; "
                      "done >/dev/null 2>&1 &")

    def fork_at(self, point):
        """Takes the subject, or a clone of it, to a point, and forks it."""
        for _ in range(TRIES):
            # No two forks in a row are of one instant.
            self.walker.wander(random.uniform(0, 0.1))
            try:
                return self._fork_clone_at(point) if point.in_clone else \
                    self._fork_subject_at(point)
            except NotReached as error:
                why = error
        raise NotReached(f"{point.name}: {why}, {TRIES} times")

    def _fork_subject_at(self, point):
        self.walker.go(point.way)
        self.fork(point.name)

    def _fork_clone_at(self, point):
        [branch] = self._copy(self.guest, 1)
        walker = Walker(branch, self._addresses)
        try:
            walker.go(point.way)
        except NotReached:
            branch.kill()
            raise
        clones = self._copy(branch, CLONES)
        fork.resume(clones)
        walker.release()
        self._await(point.name, clones, [branch])

    def fork(self, name):
        """Forks the subject where it stands."""
        clones = self._copy(self.guest, CLONES)
        fork.resume(clones)
        self._await(name, clones)

    def fork_race(self, name, function):
        """Forks when two CPUs are about to take a nonce each, and has another
        one be the first in each clone."""
        walker = self.walker
        for _ in range(RACES):
            place = walker.atomic(walker.go((function,)).entry)
            walker.run_to([place])
            first = walker.cpu
            try:
                walker.run_to([place], MEETING, 1 - first)
                break
            except NotReached:
                continue
        else:
            raise NotReached(f"{name}: two CPUs never met")
        clones = self._copy(self.guest, CLONES)
        for cpu, clone in enumerate(clones):
            leash = clone.debugger()
            leash.step(cpu)
            leash.close()
        fork.resume(clones)
        self._await(name, clones)

    def fork_along(self, name, way, leaves, stride, skip):
        """Forks every `stride` instructions from the entry of a function to
        its return, or as far as is worth while, the first `skip` of them left
        out. leaves: functions that only compute; one counts as LEAF, and is
        forked somewhere among its first instructions."""
        walker = self.walker
        frame = walker.go(way)
        leaves = {a for leaf in leaves for a in walker.entries(leaf)}
        done = -skip
        while done < LONGEST and not walker.above(frame):
            if walker.at() in leaves:
                inner = walker.frame()
                done += LEAF
                if done >= 0 and done % stride < LEAF:
                    walker.step(random.randrange(LEAF_FORKED))
                    self.fork(name)
                if not walker.above(inner):
                    walker.run_to_return(inner)
                continue
            if done >= 0 and done % stride == 0:
                self.fork(name)
            walker.step()
            done += 1
        if done < 0:
            raise NotReached(f"{name}: over before the first fork")

    def _copy(self, guest, copies):
        self._count += 1
        path = os.path.join(self.folder, f"{self._count}.snapshot")
        snapshot = guest.save(path)
        names = [f"{self._count}{chr(97 + i)}" for i in range(copies)]
        clones = fork.restore(snapshot, guest.machine,
                              {name: [Cable().plug(0)] for name in names},
                              self.folder)
        os.unlink(path)
        self.captures += [c for g in clones for c in g.captures]
        return clones

    def _await(self, name, clones, beside=()):
        self._running.append(Fork(name, clones, list(beside), self.guest))
        self.reap(RUNNING)

    def reap(self, leave):
        """Judges forks whose clones are done, and waits until at most `leave`
        are left."""
        while True:
            done = [one for one in self._running if one.done]
            if done:
                # What the peer sends is captured although the subject stands.
                self.peer.stop()
                settle([c.path for c in self.guest.captures])
            for one in done:
                self._running.remove(one)
                self._report(one.judge())
            if done:
                self.peer.cont()
            if len(self._running) <= leave:
                return
            time.sleep(0.02)

    def end(self):
        """Judges all that is left, then all relatives together. Returns that
        verdict and what kernels have complained of."""
        self.guest.stop()
        self.reap(0)
        self.guest.kill()
        self.peer.kill()
        return audit.judge(self.captures), splats(self.folder)
