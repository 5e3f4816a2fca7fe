# SPDX-License-Identifier: GPL-2.0
"""The sweep, in batches. In a batch, one guest is forked a few dozen times.
Finished batches are recorded, so a campaign can be interrupted and resumed."""

import collections
import contextlib
import dataclasses
import fcntl
import glob
import hashlib
import json
import os
import random
import time

import chance

from . import EmulatorError, Interrupted, LabError, broken, points, sweep, walk
from .guest import guests
from .kit import KERNELS, LAB, REPO
from .session import session

LIMIT = 1800            # seconds for a batch
CONTROLLED = 2          # how many repeats have controls
PASSES = 5              # passes over a trail until all its strides were forked
OURS, STOCK = "forkguard", "wireguard"
UNSEALED, UNCHECKED, UNDRAWN, LATE, UNFINISHED = broken.MUTANTS
RACE = "race: two CPUs about to take a nonce"
# For each control: the prefixes of the names of the points at which it is forked,
# and the share of these points at which its nonces must be reused. It can't be all:
# the time until the notifier is short, and some points come after the missing check.
CONTROLS = {
    UNSEALED: ((), 0),
    UNCHECKED: (("data",), 1 / 3),
    STOCK: (("",), 1 / 3),
    UNDRAWN: (("initiating: begins", "responding: its MAC",
               "responding: begins"), 1 / 3),
    LATE: (("initiating: ephemeral", "responding: ephemeral"), 1 / 3),
    UNFINISHED: (("responding: the session",
                  "finishing: begins", "finishing: Diffie-Hellman",
                  "finishing: the session"), 1 / 3),
}


@dataclasses.dataclass(frozen=True)
class Batch:
    kernel: str
    system: str
    number: int         # tells batches apart that are otherwise alike
    points: tuple = ()
    races: int = 0
    trail: str = ""
    stride: int = 0
    skip: int = 0
    cpus: int = 2
    shares: bool = False    # see company; forks no clones

    def __post_init__(self):
        assert not (self.shares and any(p.in_clone for p in self.points))

    @property
    def name(self):
        what = "races" if self.races and not self.points else \
            "handshakes" if self.shares else "points"
        if self.trail:
            what = f"{self.trail}, every {self.stride}"
        return f"{self.kernel}, {self.system}, {what}, {self.number}"


def points_of(system):
    return points.WIREGUARD if system == STOCK else points.FORKGUARD


def full(repeats, kernels=KERNELS):
    """The whole campaign, the most informative batches first."""
    batches = []
    for number in range(repeats):
        for kernel in kernels:
            batches += _of_points(kernel, OURS, number)
            batches.append(Batch(kernel, OURS, number, races=20))
            for system in CONTROLS if number < CONTROLLED else ():
                batches += _of_points(kernel, system, number)
            if number < CONTROLLED:
                batches.append(Batch(kernel, UNSEALED, number, races=10))
            for name, trail in points.TRAILS.items():
                batches.append(Batch(
                    kernel, OURS, number, trail=name,
                    stride=trail.stride * PASSES, skip=trail.stride * number,
                    cpus=1, shares=name != "along a packet"))
    return batches


def _of_points(kernel, system, number):
    names, _ = CONTROLS.get(system, (("",), 0))
    batches = []
    for shares in False, True:
        chosen = [p for p in points_of(system) if p.name.startswith(names)
                  and p.in_handshake == shares]
        random.Random(number).shuffle(chosen)
        if chosen:
            batches.append(Batch(kernel, system, number, tuple(chosen),
                                 cpus=1 + number % 2 if system == OURS else 2,
                                 shares=shares))
    return batches


def sample():
    """A few forks of each kind; the commit determines which. Stock WireGuard is
    not among them: the scenes fork it often enough."""
    rand = chance.generator("sweep")
    kernel = rand.choice(KERNELS)

    def some(**kinds):
        return tuple(p for kind, count in kinds.items() for p in rand.sample(
            [p for p in points.FORKGUARD if p.name.startswith(kind)], count))
    broken_at, _ = CONTROLS[UNFINISHED]
    return [Batch(kernel, OURS, 0, some(data=6, reset=1, notifier=2), races=3),
            Batch(kernel, UNSEALED, 0, races=5),
            Batch(kernel, OURS, 0, some(initiating=3, responding=3,
                                        finishing=2), shares=True),
            Batch(kernel, UNFINISHED, 0, tuple(
                p for p in points.FORKGUARD if p.name.startswith(broken_at)),
                  shares=True)]


def forks_in(batch):
    """The approximate number of forks in a batch."""
    if batch.trail:
        return points.TRAILS[batch.trail].length // batch.stride
    return len(batch.points) + batch.races


def play(batch, report):
    """Plays a batch and calls report with each Result. Returns the numbers of
    messages and reuses in all machines together, and the complaints of the
    kernels."""
    module = broken.module(batch.system, batch.kernel) \
        if batch.system in broken.MUTANTS else None
    ways = [p.way for p in batch.points]
    if batch.races:
        ways.append((points.SEALING,))
    if batch.trail:
        trail = points.TRAILS[batch.trail]
        ways += [trail.way, points.LEAVES]
    with session(LIMIT) as folder, contextlib.ExitStack() as stack:
        try:
            subject = sweep.Subject(
                batch.kernel, STOCK if batch.system == STOCK else OURS, folder,
                ways, batch.cpus, module, batch.shares, report)
            stack.enter_context(contextlib.closing(subject))
            for _ in range(batch.races):
                subject.fork_race(RACE, points.SEALING)
            for point in batch.points:
                subject.fork_at(point)
            if batch.trail:
                subject.fork_along(batch.trail, trail.way, points.LEAVES,
                                   batch.stride, batch.skip,
                                   trail.length // 4)
            return subject.end()
        except (LabError, OSError) as error:
            # The debugger's connection breaks before QEMU has ended: wait for
            # the reason.
            time.sleep(1)
            for guest in guests(folder):
                if not guest.alive:
                    raise guest.ended(error) from error
            raise


def version():
    """A hash of forkguard and of all other code on which results depend."""
    files = broken.source_files() + broken.patch_files()
    files += [os.path.join(LAB, "forklab", name + ".py") for name in
              ("audit", "campaign", "company", "fork", "gdbstub", "guest",
               "partner", "pcap", "peer", "points", "primitives", "sweep",
               "tunnel", "walk")]
    files += [os.path.join(REPO, "tests", "lib", "messages.py")]
    files += glob.glob(os.path.join(LAB, "guest", "*"))
    for part in "common", "fwg-audit":
        files += glob.glob(os.path.join(REPO, "userspace", part, "*.[ch]"))
    digest = hashlib.sha256()
    for path in sorted(os.path.relpath(path, REPO) for path in files):
        with open(os.path.join(REPO, path), "rb") as file:
            text = file.read()
        digest.update(f"{path} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:16]


class Record:
    """A file with the results so far. All are of one version: the first result
    of a new version moves the old ones to another file."""

    def __init__(self, path):
        self._path = path
        self.done = {}          # names of batches to their summaries
        self.results = collections.defaultdict(list)    # by (kernel, system)
        self._version = version()
        self.stale = False
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.exists(path):
            self._load()

    def _lines(self):
        with open(self._path) as file:
            return [json.loads(line) for line in file]

    def _is_stale(self):
        return any(line["version"] != self._version for line in self._lines())

    def _load(self):
        self.stale = self._is_stale()
        for line in self._lines() if not self.stale else ():
            self._take(line)

    def _take(self, line):
        self.done[line["batch"]] = line
        self.results[line["kernel"], line["system"]] += [
            sweep.Result(**result) for result in line["results"]]

    def add(self, batch, results, judged, reused, splats):
        line = {"version": self._version, "batch": batch.name,
                "kernel": batch.kernel, "system": batch.system,
                "judged": judged, "reused": reused,
                "splats": splats,
                "results": [dataclasses.asdict(r) for r in results]}
        with open(f"{self._path}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.stale and self._is_stale():
                os.rename(self._path, f"{self._path}.{time.time_ns()}")
            self.stale = False
            with open(self._path, "a") as file:
                file.write(json.dumps(line) + "\n")
        self._take(line)


def run(batches, record, say):
    """Plays the batches that are not recorded yet. A batch that fails because of
    the emulator or the debugger is repeated once, unless a nonce was reused
    before. Returns the reasons of failures."""
    failed = []
    todo = [b for b in batches if b.name not in record.done]
    forks_left = sum(map(forks_in, todo))
    began, made = time.monotonic(), 0
    for batch in todo:
        for last in (False, True):
            results = []

            def report(result):
                results.append(result)
                took = time.monotonic() - began
                left = max(0, forks_left - len(results)) * took / \
                    (made + len(results))
                say(f"{batch.name}: {result.point}: {result.judged} judged, "
                    f"{result.reused} reused; about {forks_left - len(results)}"
                    f" forks left, {left / 60:.0f} min")
            try:
                record.add(batch, results, *play(batch, report))
                break
            except Interrupted:
                raise
            except LabError as error:
                say(f"{batch.name}: {error}")
                bad = [r for r in results
                       if r.reused or r.silent or r.unfinished]
                if batch.system == OURS and bad:
                    error = f"{bad}, then: {error}"
                elif not last and isinstance(
                        error, (EmulatorError, walk.NotReached)):
                    continue
                failed.append(f"{batch.name}: {error}")
                break
        forks_left -= forks_in(batch)
        made += len(results)
    return failed


def table(record):
    """The results, one line for each point."""
    lines = [f"{'point':<58}{'forks':>6}{'judged':>10}{'alike':>7}"
             f"{'reused':>8}{'in forks':>10}"]
    for (kernel, system), results in sorted(record.results.items()):
        by_point = collections.defaultdict(list)
        for result in results:
            by_point[result.point].append(result)
        lines.append(f"{system}, {kernel}")
        for point, some in list(sorted(by_point.items())) + [("all", results)]:
            lines.append(
                f"  {point:<56}{len(some):>6}"
                f"{sum(r.judged for r in some):>10}"
                f"{sum(r.alike for r in some):>7}"
                f"{sum(r.reused for r in some):>8}"
                f"{sum(r.reused > 0 for r in some):>10}")
        together = [line for line in record.done.values()
                    if (line["kernel"], line["system"]) == (kernel, system)]
        lines.append(f"  {'all relatives of a guest together':<62}"
                     f"{sum(line['judged'] for line in together):>10}"
                     f"{'':>7}{sum(line['reused'] for line in together):>8}")
    return "\n".join(lines)


def faults(batches, record):
    """Why the recorded campaign failed or is inconclusive; empty if it passed."""
    found = []
    for name, line in record.done.items():
        if line["system"] != OURS:
            continue
        found += [f"{name}: {splat}" for splat in line["splats"]]
        if line["reused"]:
            found.append(f"{name}: {line['reused']} nonces reused")
    for (kernel, system), results in record.results.items():
        for result in results:
            if result.silent and system == OURS:
                found.append(f"{kernel}, {system}: {result.point}: "
                             f"{result.silent} clones began no handshake")
            if result.unfinished and system == OURS:
                found.append(f"{kernel}, {system}: {result.point}: "
                             f"{result.unfinished} clones came to no session")
            if result.reused and system == OURS:
                found.append(f"{kernel}, {system}: {result.point}: "
                             f"{result.reused} nonces reused")
    for kernel, system in sorted({(b.kernel, b.system) for b in batches
                                  if b.system != OURS}):
        reused = {False: {}, True: {}}
        for result in record.results[kernel, system]:
            some = reused[result.point.startswith(points.HANDSHAKES)]
            some[result.point] = some.get(result.point) or result.reused > 0
        _, least = CONTROLS[system]
        for some in filter(None, reused.values()):
            if sum(some.values()) < max(1, least * len(some)):
                found.append(f"inconclusive: {kernel}, {system}: nonces reused "
                             f"at {sum(some.values())} of {len(some)} points")
        if not any(reused.values()):
            found.append(f"inconclusive: {kernel}, {system}: no fork")
    return found
