# SPDX-License-Identifier: GPL-2.0
"""Forks a guest at chosen instructions, again and again, and judges each fork.

The subject is a guest that exchanges data with a peer (see company) while both keep beginning new
handshakes. A debugger stops it at an instruction. There it is copied twice; then it runs on to the
next one. The clones run until their kernel has notified them of the fork and they have begun a
handshake, or finished it if they have a partner to answer.
"""

import dataclasses
import os
import random
import time

from . import fork, kit, tunnel
from .company import OwnPeer, StockPeer
from .guest import Cable, Guest, Machine, splats
from .walk import NotReached, Walker, functions

CLONES = 2
RUNNING = 0             # forks whose clones run while the next is made
MEMORY = 128            # MiB
RESETS = 2              # a second, in the subject
LEAST, MOST = 0.4, 20   # seconds for which clones run
LEAF = 64               # instructions
LEAF_FORKED = 500       # the first instructions of a leaf, at one of which it is forked
LONGEST = 40000         # maximum length of a trail, in instructions
# A debugger stops CPUs for longer than RCU and the watchdog tolerate.
NO_STALLS = """echo 1 >/sys/module/rcupdate/parameters/rcu_cpu_stall_suppress
echo 0 >/proc/sys/kernel/watchdog
"""
RACES = 200             # attempts to have two CPUs meet
TRIES = 3               # attempts to reach a point
MEETING = 0.2           # seconds for each attempt to have two CPUs meet


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of one fork."""
    point: str
    judged: int         # messages
    reused: int
    alike: int          # identical messages that all clones sent
    silent: int         # clones that began no handshake
    unfinished: int     # clones with a partner that used no new session


class Fork:
    """One fork while its clones run. followers: those of the clones; guests: all guests that end
    with it; past: the captures from before the fork."""

    def __init__(self, point, followers, guests, past):
        self.point = point
        self.followers = followers
        self.guests = guests
        self.captures = past + [c for g in guests for c in g.captures]
        self._began = time.monotonic()

    def _update(self):
        for follower in self.followers:
            follower.update()

    @property
    def done(self):
        self._update()
        took = time.monotonic() - self._began
        return took > MOST or took > LEAST and not self._silent and \
            not self._unfinished

    @property
    def _silent(self):
        return sum(follower.silent for follower in self.followers)

    @property
    def _unfinished(self):
        return sum(not follower.content for follower in self.followers)

    def judge(self, company):
        """Ends the clones and judges them; the subject is stopped meanwhile."""
        for guest in self.guests:
            if not guest.alive:
                raise guest.ended(self.point)
            guest.kill()
        self._update()
        judged, reused = company.judge(self)
        alike = set.intersection(*({m.data for m in follower.sent}
                                   for follower in self.followers))
        return Result(self.point, judged, reused, len(alike), self._silent,
                      self._unfinished)


class Subject:
    """A guest that is forked again and again. ways: the ways to all points at which it will be
    forked; report: called with each Result."""

    def __init__(self, kernel, system, folder, ways, cpus, module, shares,
                 report):
        """shares: whether clones share sessions with partners."""
        self.folder = folder
        self._report = report
        self._running = []      # Forks
        self._count = 0
        self._company = (OwnPeer if shares else StockPeer)(kernel, MEMORY,
                                                           folder)
        self._boot(kernel, system, cpus, module, ways)
        self.walker = Walker(self.guest, self._addresses)

    def _boot(self, kernel, system, cpus, module, ways):
        company = self._company
        self.guest = Guest("subject", Machine(kit.load(kernel, system, module),
                                              cpus, MEMORY),
                           [company.plug], self.folder)
        one = tunnel.End(system, 1, tunnel.identity())
        two = tunnel.End("wireguard", 2, tunnel.identity())
        self.guest.wait_ready()
        company.settle_in(self.guest, one, two, NO_STALLS)
        self.guest.run(NO_STALLS + tunnel.cable_up(one.number) +
                       one.bring_up(two, two.endpoint()))
        self._addresses = functions(self.guest, ways)
        for cpu in range(cpus):
            self.guest.run(f"taskset {1 << cpu:x} traffic -r {company.rate} "
                           f"-p {7777 + cpu} {two.v4} &")
        company.begin(one, two)
        # A program, because a loop in the shell would make clones translate much other code.
        self.guest.run(
            f"resets -r {RESETS} -n 1000000000 {one.interface} &"
            if system == "forkguard" else
            f"while sleep {1 / RESETS}; do {one.forget_sessions(two)}; "
            "done >/dev/null 2>&1 &")

    def fork_at(self, point):
        """Takes the subject, or a clone of it, to a point, and forks it there."""
        for _ in range(TRIES):
            # Run on for a random time, so that no two forks are of one instant.
            self.walker.wander(random.uniform(0, 0.1))
            self._company.provoke()
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
        [branch], _ = self._copy(self.guest, 1, leaves=False)
        self._company.adopt([branch])
        walker = Walker(branch, self._addresses)
        try:
            walker.go(point.way)
        except NotReached:
            branch.kill()
            raise
        self._resume(point.name, branch, [branch])
        walker.release()
        self.reap(RUNNING)

    def fork(self, name):
        """Forks the subject at its current instruction."""
        self._resume(name, self.guest)
        self.reap(RUNNING)

    def fork_race(self, name, function):
        """Forks when two CPUs are each about to take a nonce. In each clone another CPU goes
        first."""
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
        self._resume(name, self.guest, step=True)
        self.reap(RUNNING)

    def fork_along(self, name, way, leaves, stride, skip, least):
        """Forks every `stride` instructions from the entry of a function to its return or to the
        maximum length, without the first `skip`. least: the minimum length. leaves: functions that
        only compute; each counts as LEAF instructions, and is forked once, among its first
        instructions."""
        walker = self.walker
        for _ in range(TRIES):
            self._company.provoke()
            try:
                frame = walker.go(way)
                break
            except NotReached as error:
                why = error
        else:
            raise why
        leaves = {a for leaf in leaves for a in walker.entries(leaf)}
        done = -skip
        while done < LONGEST:
            stack, at = walker.where()
            if stack > frame.stack:
                break
            if at in leaves:
                inner = walker.frame()
                done += LEAF
                if done >= 0 and done % stride < LEAF:
                    walker.step_within(inner, random.randrange(LEAF_FORKED))
                    self.fork(name)
                    walker.step()
                if not walker.above(inner):
                    walker.run_to_return(inner)
                continue
            if done >= 0 and done % stride == 0:
                self.fork(name)
            walker.step()
            done += 1
        if done + skip < least:
            raise NotReached(f"{name}: over after {done + skip} instructions")

    def _copy(self, guest, copies, leaves):
        """Returns clones and their plugs."""
        self._count += 1
        path = os.path.join(self.folder, f"{self._count}.snapshot")
        snapshot = guest.save(path)
        plugs = {f"{self._count}{chr(97 + i)}": Cable().plug(0)
                 for i in range(copies)}
        clones = fork.restore(snapshot, guest.machine,
                              {name: [plug] for name, plug in plugs.items()},
                              self.folder, leaves)
        os.unlink(path)
        return clones, list(plugs.values())

    def _resume(self, name, guest, beside=(), step=False):
        """Forks a guest at its current instruction. beside: guests that end with the
        clones; step: another CPU makes the first step in each."""
        clones, plugs = self._copy(guest, CLONES, leaves=True)
        for cpu, clone in enumerate(clones if step else ()):
            leash = clone.debugger()
            leash.step(cpu)
            leash.close()
        followers = self._company.follow(clones, plugs)
        fork.resume(clones)
        self._running.append(Fork(name, followers, [*clones, *beside],
                                  self.guest.captures))

    def reap(self, leave):
        """Judges forks whose clones have finished, and waits until at most `leave` are left."""
        while True:
            for one in [one for one in self._running if one.done]:
                self._running.remove(one)
                self._report(one.judge(self._company))
            if len(self._running) <= leave:
                return
            time.sleep(0.02)

    def close(self):
        self._company.close()

    def end(self):
        """Judges the remaining forks, then all machines together. Returns the numbers of messages
        and reuses, and the complaints of the kernels."""
        self.guest.stop()
        self.reap(0)
        self.guest.kill()
        return *self._company.end(), splats(self.folder)
