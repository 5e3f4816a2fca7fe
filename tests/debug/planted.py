# SPDX-License-Identifier: GPL-2.0
"""Builds modules with planted bugs, and the module "calls", in which calls fail on demand: see
faults/calls.h.

A bug is a file planted/NAME.patch. Its head has the lines

    Kernel: debug                   one or more of debug, kcsan, faults and calls, on each of which
                                    it must be detected; calls is user-mode Linux with that module
    Caught-by: KASAN: use-after     a regular expression that the output must then match
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
    """Builds a module with these patches; for "calls", one whose calls fail on demand."""
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
    """A patch and the values in its head."""

    def __init__(self, path, kernel, head):
        self.path, self.name, self.kernel = path, path.stem, kernel
        self.caught_by = re.search("^Caught-by: (.*)$", head, re.M)[1]

    def build(self):
        """Builds the module with this bug."""
        return build(self.kernel, [self.path])

    def is_named_in(self, text):
        """Was it detected, by this output?"""
        return re.search(self.caught_by, text)


def bugs():
    """All bugs, each once for each of its kernels."""
    for path in sorted((HERE / "planted").glob("*.patch")):
        head = path.read_text().split("\n--- ")[0]
        for kernel in re.search("^Kernel: (.*)$", head, re.M)[1].split():
            yield Bug(path, kernel, head)
