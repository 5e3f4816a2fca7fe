# SPDX-License-Identifier: GPL-2.0
"""Has fwg-audit judge captures."""

import collections
import dataclasses
import json
import os
import subprocess

from . import LabError
from .kit import REPO

PROGRAM = os.path.join(REPO, "build", "fwg-audit")


@dataclasses.dataclass(frozen=True)
class Verdict:
    judged: int         # messages
    reuses: tuple       # certain ones, as fwg-audit lists them
    reused: int         # the number of certain and doubtful ones

    def count(self, *kinds):
        """The number of certain reuses, of these kinds if any are given."""
        return sum(reuse["kind"] in kinds for reuse in self.reuses)


def judge(captures):
    """Returns the verdict on captures of machines that share a past."""
    if not os.path.exists(PROGRAM):
        raise LabError(f"not built: {PROGRAM} (make userspace)")
    done = subprocess.run([PROGRAM, "--json"] + [c.path for c in captures],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=120)
    if done.returncode not in (0, 1, 3):
        raise LabError(f"fwg-audit: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    reused, doubtful = report["reused"], report["doubtful"]
    if done.returncode != (1 if reused else 3 if doubtful else 0):
        raise LabError("fwg-audit: exit code and report disagree")
    return Verdict(report["judged"], tuple(report["reuses"]),
                   reused + doubtful)


def shared_ephemerals(clones):
    """Counts the ephemeral keys that occur in handshake messages of two or more
    machines. clones: the messages of each machine."""
    owners = collections.defaultdict(set)
    for name, messages in clones.items():
        for message in messages:
            if message.sent and message.is_handshake:
                owners[message.ephemeral].add(name)
    return sum(len(names) > 1 for names in owners.values())
