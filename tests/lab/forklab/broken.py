# SPDX-License-Identifier: GPL-2.0
"""Controls: forkguard with checks taken out, made with the mutants of the unit
tests."""

import os
import shutil
import subprocess

from . import LabError, initramfs
from .kit import REPO

MUTANTS = {
    "forkguard without the check after sealing": ("no-check-after-sealing",),
    "forkguard without checks": ("no-check-after-sealing", "no-cheap-check"),
}


def source_files():
    """What forkguard.ko is made of."""
    return [os.path.join(REPO, "Kbuild")] + sorted(
        os.path.join(where, name) for folder in ("module", "include")
        for where, _, names in os.walk(os.path.join(REPO, folder))
        for name in names if name.endswith((".c", ".h")))


def module(system, kernel):
    """Builds such a module and returns its path."""
    patches = [os.path.join(REPO, "tests", "mutants", name + ".patch")
               for name in MUTANTS[system]]
    tree = os.path.join(REPO, "build", "broken",
                        initramfs.fingerprint(source_files() + patches))
    built = os.path.join(tree, "build", kernel, "forkguard.ko")
    if os.path.exists(built):
        return built
    shutil.rmtree(tree, ignore_errors=True)
    for path in source_files():
        copy = os.path.join(tree, os.path.relpath(path, REPO))
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copyfile(path, copy)
    os.makedirs(os.path.join(tree, "tests", "kunit"))
    os.symlink(os.path.join(REPO, "tests", "setup"),
               os.path.join(tree, "tests", "setup"))
    for patch in patches:
        _run(["patch", "-p1", "-F0", "--batch", "--forward", "-r-",
              "--no-backup-if-mismatch", "-d", tree, "-i", patch])
    return _run([os.path.join(tree, "tests", "setup", "module.sh"), kernel,
                 "KCFLAGS="]).splitlines()[-1]


def _run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=300)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout
