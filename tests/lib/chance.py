# SPDX-License-Identifier: GPL-2.0
"""What tests choose at random follows from the commit: one commit is tested alike everywhere, and
the next one differently. FORKGUARD_SEED, which is printed, repeats the choices of another commit."""

import os
import random

import history


def seed():
    """The id of HEAD's tree, or 0 where there is no repository."""
    try:
        return os.environ.get("FORKGUARD_SEED") or history.head_tree()
    except history.NoHistory:
        return "0"


def generator(purpose):
    """A random.Random for one purpose. What it depends on is printed."""
    chosen = seed()
    print(f"{purpose}: FORKGUARD_SEED={chosen}", flush=True)
    return random.Random(f"{purpose} {chosen}")


def number(purpose):
    """A number of 32 bits, for programs that want a seed of their own."""
    return generator(purpose).getrandbits(32)
