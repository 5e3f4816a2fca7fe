# SPDX-License-Identifier: GPL-2.0
"""The controls: forkguard with checks removed, by the patches of
tests/mutants."""

import os

import tree

from . import LabError
from .kit import REPO

MUTANTS = {
    "forkguard without the check after sealing": ("no-check-after-sealing",),
    "forkguard without checks": ("no-check-after-sealing", "no-cheap-check"),
    "forkguard without draws of its own": ("draw-as-the-kernel-does",),
    "forkguard with late stamps": ("stamp-read-late-initiating",
                                   "stamp-read-late-responding",
                                   "stamp-of-session-read-late"),
    "forkguard that finishes what is stale": ("stale-handshake-finishes",
                                              "stamp-of-session-read-late"),
}


def source_files():
    """The source files of forkguard.ko."""
    return [str(path) for path in
            tree.sources(("module", "include")).values()]


def patch_files():
    """The patches that break them."""
    return sorted({_patch(name) for names in MUTANTS.values()
                   for name in names})


def _patch(name):
    return os.path.join(REPO, "tests", "mutants", name + ".patch")


def module(system, kernel):
    """Builds a broken module and returns its path."""
    patches = MUTANTS[system]
    try:
        copy = tree.Tree(os.path.join(REPO, "build", "broken", kernel,
                                      system.replace(" ", "-")))
        for name in patches:
            copy.apply(_patch(name))
        return copy.build(kernel)
    except tree.TreeError as error:
        raise LabError(f"{system}: {error}") from error
