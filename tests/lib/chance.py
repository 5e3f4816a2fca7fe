# SPDX-License-Identifier: GPL-2.0
"""What tests choose at random follows from the commit: one commit is tested alike everywhere, and
the next one otherwise. FORKGUARD_SEED repeats another commit's choices, or makes new ones."""

import os
import random
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def seed():
    """The id of the tree that HEAD has; 0 where there is no repository."""
    given = os.environ.get("FORKGUARD_SEED")
    if given:
        return given
    done = subprocess.run(["git", "rev-parse", "--short=12", "HEAD^{tree}"], cwd=TOP,
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "0"


def generator(purpose):
    """A random.Random for one purpose. What it depends on is printed."""
    chosen = seed()
    print(f"{purpose}: FORKGUARD_SEED={chosen}", flush=True)
    return random.Random(f"{purpose} {chosen}")


def number(purpose):
    """A number of 32 bits, for what wants a seed of its own."""
    return generator(purpose).getrandbits(32)
