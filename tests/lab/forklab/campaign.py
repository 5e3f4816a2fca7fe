# SPDX-License-Identifier: GPL-2.0
"""What a sweep does, in batches: a batch is the life of one guest, forked a few
dozen times. Batches that are done are on record, so that a campaign can be
interrupted and goes on where it was.
"""

import collections
import dataclasses
import fcntl
import glob
import hashlib
import json
import os
import random
import time

from . import EmulatorError, Interrupted, LabError, broken, points, sweep, walk
from .guest import guests
from .kit import KERNELS, LAB, REPO
from .session import session

LIMIT = 1800            # seconds for a batch
PER_BATCH = 40          # forks at points
STRIDE = 8              # instructions of a trail between two forks, in the end
LENGTH = 12000          # of a trail, about
OURS, STOCK = "forkguard", "wireguard"
UNSEALED, UNCHECKED = broken.MUTANTS
RACE = "race: two CPUs about to take a nonce"


@dataclasses.dataclass(frozen=True)
class Batch:
    kernel: str
    system: str
    number: int         # of those that are otherwise alike
    points: tuple = ()
    races: int = 0
    trail: str = ""
    stride: int = 0
    skip: int = 0
    cpus: int = 2

    @property
    def name(self):
        what = "races" if self.races and not self.points else "points"
        if self.trail:
            what = f"{self.trail}, every {self.stride}"
        return f"{self.kernel}, {self.system}, {what}, {self.number}"


def points_of(system):
    return points.WIREGUARD if system == STOCK else points.FORKGUARD


def full(repeats, kernels=KERNELS):
    """The whole campaign, the most telling batches first."""
    batches = []
    for number in range(repeats):
        for kernel in kernels:
            for system in (OURS, STOCK, UNCHECKED, UNSEALED):
                if system != OURS and number >= max(1, repeats // 4):
                    continue
                batches += _of_points(kernel, system, number)
            batches.append(Batch(kernel, OURS, number, races=20))
            if number == 0:
                batches.append(Batch(kernel, UNSEALED, number, races=10))
            for trail in points.TRAILS:
                batches.append(Batch(kernel, OURS, number, trail=trail,
                                     stride=STRIDE * repeats,
                                     skip=STRIDE * number, cpus=1))
    return batches


def _of_points(kernel, system, number):
    chosen = [p for p in points_of(system)
              if system in (OURS, STOCK) or p.name.startswith("data")]
    random.Random(number).shuffle(chosen)
    return [Batch(kernel, system, number * 100 + i, tuple(chosen[i::parts]),
                  cpus=1 + (number + i) % 2 if system == OURS else 2)
            for parts in [-(-len(chosen) // PER_BATCH)]
            for i in range(parts)]


def sample():
    """A few forks of each kind, other ones each time. Stock WireGuard is
    forked often enough by the scenes."""
    kernel = random.choice(KERNELS)
    ours = tuple(p for kind, count in (
        ("data", 6), ("initiating", 3), ("responding", 2), ("finishing", 1),
        ("reset", 1), ("notifier", 2)) for p in random.sample(
            [p for p in points.FORKGUARD if p.name.startswith(kind)], count))
    return [Batch(kernel, OURS, 0, ours, races=3),
            Batch(kernel, UNSEALED, 0, races=5)]


def forks_in(batch):
    """About how many there will be."""
    if batch.trail:
        return LENGTH // batch.stride
    return len(batch.points) + batch.races


def play(batch, report):
    """Plays a batch; report is called with each Result. Returns, on all
    relatives together, how many messages and how many reuses there were, and
    what kernels complained of."""
    module = broken.module(batch.system, batch.kernel) \
        if batch.system in broken.MUTANTS else None
    ways = [p.way for p in batch.points]
    if batch.races:
        ways.append((points.SEALING,))
    if batch.trail:
        ways += [(points.TRAILS[batch.trail],), points.LEAVES]
    with session(LIMIT) as folder:
        try:
            subject = sweep.Subject(
                batch.kernel, STOCK if batch.system == STOCK else OURS, folder,
                ways, batch.cpus, module, report)
            for _ in range(batch.races):
                subject.fork_race(RACE, points.SEALING)
            for point in batch.points:
                subject.fork_at(point)
            if batch.trail:
                subject.fork_along(batch.trail, (points.TRAILS[batch.trail],),
                                   points.LEAVES, batch.stride, batch.skip)
            return subject.end()
        except (LabError, OSError) as error:
            # Whoever was under a debugger can't tell why that is gone.
            for guest in guests(folder):
                if not guest.alive:
                    raise guest.ended(error) from error
            raise


def version():
    """Of forkguard, and of what a result depends on besides."""
    files = broken.source_files() + broken.patch_files()
    files += [os.path.join(LAB, "forklab", name + ".py") for name in
              ("audit", "fork", "gdbstub", "pcap", "points", "sweep", "walk")]
    files += glob.glob(os.path.join(REPO, "userspace", "fwg-audit", "*.[ch]"))
    digest = hashlib.sha256()
    for path in sorted(os.path.relpath(path, REPO) for path in files):
        with open(os.path.join(REPO, path), "rb") as file:
            text = file.read()
        digest.update(f"{path} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:16]


class Record:
    """The results so far, on file. They are of one version: before the first
    of another one is added, those there are set aside."""

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

    def add(self, batch, results, verdict, splats):
        line = {"version": self._version, "batch": batch.name,
                "kernel": batch.kernel, "system": batch.system,
                "judged": verdict.judged, "reused": verdict.reused,
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
    """Plays the batches that are not on record. What the emulator or the
    debugger spoils is played once more, unless a nonce was reused before.
    Returns why batches failed."""
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
                bad = [r for r in results if r.reused or r.silent]
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
    """What was found, a line for each point."""
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
    """Why the record does not show what it should."""
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
            if result.reused and system == OURS:
                found.append(f"{kernel}, {system}: {result.point}: "
                             f"{result.reused} nonces reused")
    # A control must be caught where it must break: by two CPUs that race when
    # only the check after sealing is missing, and else at a third of the points
    # of the data path. Which of them is chance: the window is short.
    for kernel, system in sorted({(b.kernel, b.system) for b in batches
                                  if b.system != OURS}):
        kind, least = ("race", 1) if system == UNSEALED else ("data", 1 / 3)
        reused = collections.defaultdict(bool)
        for result in record.results[kernel, system]:
            if result.point.startswith(kind):
                reused[result.point] |= result.reused > 0
        if not reused or sum(reused.values()) < least * len(reused):
            found.append(f"inconclusive: {kernel}, {system}: nonces reused at "
                         f"{sum(reused.values())} of {len(reused)} ({kind})")
    return found
