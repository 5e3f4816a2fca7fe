# SPDX-License-Identifier: GPL-2.0
"""Modules that are not as they should be.

Bugs to plant: planted/NAME.patch breaks the module in one way. Its head has the lines

    Kernel: debug                   on which it has to be noticed: debug, kcsan, faults, or calls,
                                    user-mode Linux with faults/calls.h; or on several
    Caught-by: KASAN: use-after     what has to be said then, a regular expression

And a module whose calls fail on demand: see faults/calls.h.
"""

import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
PARTS = ("module", "include", "tests/kunit")

FAIL_NTH = """
unsigned int forkguard_fail_nth;
module_param_named(fail_nth, forkguard_fail_nth, uint, 0600);
"""


def command(*words):
    """Runs a command and returns what it prints."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise RuntimeError(f"{words}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def copy_of_tree(name):
    """A copy of the module's source, to break."""
    tree = TOP / "build/planted" / name
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "tests").mkdir(parents=True)
    shutil.copy(TOP / "Kbuild", tree)
    for part in PARTS:
        shutil.copytree(TOP / part, tree / part)
    (tree / "tests/setup").symlink_to(TOP / "tests/setup")
    return tree


def failing_module(bug=None):
    """The module whose calls fail on demand, for user-mode Linux."""
    tree = copy_of_tree("calls")
    if bug:
        bug.apply(tree)
    with open(tree / "module/main.c", "a", encoding="utf-8") as main:
        main.write(FAIL_NTH)
    header = HERE / "faults/calls.h"
    return command(tree / "tests/setup/module.sh", "um", "KCFLAGS=", "FORKGUARD_KUNIT=",
                   f"CFLAGS_MODULE=-include {header}")


class Bug:
    """A patch and what its head says."""

    def __init__(self, path, kernel, head):
        self.path, self.name, self.kernel = path, path.stem, kernel
        self.caught_by = re.search("^Caught-by: (.*)$", head, re.M)[1]

    def build(self):
        """The module with this bug in it."""
        if self.kernel == "calls":
            return failing_module(self)
        tree = copy_of_tree(self.name)
        self.apply(tree)
        return command(tree / "tests/setup/module.sh", self.kernel, "KCFLAGS=")

    def apply(self, tree):
        """Breaks a copy of the source."""
        command("patch", "-p1", "-F0", "--batch", "-r-", "-d", tree, "-i", self.path)

    def is_named_in(self, text):
        """Has it been noticed?"""
        return re.search(self.caught_by, text)


def bugs():
    """All of them, on each kernel."""
    for path in sorted((HERE / "planted").glob("*.patch")):
        head = path.read_text().split("\n--- ")[0]
        for kernel in re.search("^Kernel: (.*)$", head, re.M)[1].split():
            yield Bug(path, kernel, head)
