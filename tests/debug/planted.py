# SPDX-License-Identifier: GPL-2.0
"""Modules that are not as they should be.

Bugs to plant: planted/NAME.patch breaks the module in one way. Its head has the lines

    Kernel: debug                   on which it has to be noticed: debug, kcsan, faults, or calls,
                                    user-mode Linux with faults/calls.h; or on several
    Caught-by: KASAN: use-after     what has to be said then, a regular expression

And a module whose calls fail on demand: see faults/calls.h.
"""

import re
from pathlib import Path

from tree import TOP, Tree

HERE = Path(__file__).resolve().parent
FAIL_NTH = """
unsigned int forkguard_fail_nth;
module_param_named(fail_nth, forkguard_fail_nth, uint, 0600);
"""


def build(kernel, patches=()):
    """A module with these patches; for "calls", the one whose calls fail on demand."""
    tree = Tree(TOP / "build/planted")
    for patch in patches:
        tree.apply(patch)
    if kernel != "calls":
        return tree.build(kernel)
    with open(tree.path / "module/main.c", "a", encoding="utf-8") as main:
        main.write(FAIL_NTH)
    return tree.build("um", "FORKGUARD_KUNIT=",
                      f"CFLAGS_MODULE=-include {HERE / 'faults/calls.h'}")


class Bug:
    """A patch and what its head says."""

    def __init__(self, path, kernel, head):
        self.path, self.name, self.kernel = path, path.stem, kernel
        self.caught_by = re.search("^Caught-by: (.*)$", head, re.M)[1]

    def build(self):
        """The module with this bug in it."""
        return build(self.kernel, [self.path])

    def is_named_in(self, text):
        """Has it been noticed?"""
        return re.search(self.caught_by, text)


def bugs():
    """All of them, on each kernel."""
    for path in sorted((HERE / "planted").glob("*.patch")):
        head = path.read_text().split("\n--- ")[0]
        for kernel in re.search("^Kernel: (.*)$", head, re.M)[1].split():
            yield Bug(path, kernel, head)
