# SPDX-License-Identifier: GPL-2.0
"""Random choices of tests depend on the commit: a commit is tested in the same way everywhere, and
the next one differently. FORKGUARD_SEED, which is printed, repeats the choices of another commit.
"""

import os
import random

import history


def seed():
    """The id of HEAD's tree, or 0 if there is no repository."""
    try:
        return os.environ.get("FORKGUARD_SEED") or history.head_tree()
    except history.NoHistory:
        return "0"


def generator(purpose):
    """A random.Random for one purpose. Prints its seed."""
    chosen = seed()
    print(f"{purpose}: FORKGUARD_SEED={chosen}", flush=True)
    return random.Random(f"{purpose} {chosen}")


def number(purpose):
    """A 32-bit number, for programs that need a seed of their own."""
    return generator(purpose).getrandbits(32)
