# SPDX-License-Identifier: GPL-2.0
"""Bugs to plant: planted/NAME.patch breaks the module in one way. Its head has the lines

    Kernel: debug                   on which kernel it has to be noticed
    Caught-by: KASAN: use-after     what has to be said then, a regular expression
"""

import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
PARTS = ("module", "include", "tests/kunit")


class Bug:
    """A patch and what its head says."""

    def __init__(self, path):
        self.path, self.name = path, path.stem
        head = path.read_text().split("\n--- ")[0]
        self.kernel = re.search("^Kernel: (.*)$", head, re.M)[1]
        self.caught_by = re.search("^Caught-by: (.*)$", head, re.M)[1]

    def build(self):
        """The module with this bug in it."""
        tree = TOP / "build/planted" / self.name
        shutil.rmtree(tree, ignore_errors=True)
        (tree / "tests").mkdir(parents=True)
        shutil.copy(TOP / "Kbuild", tree)
        for part in PARTS:
            shutil.copytree(TOP / part, tree / part)
        (tree / "tests/setup").symlink_to(TOP / "tests/setup")
        for words in (["patch", "-p1", "-F0", "--batch", "-r-", "-d", tree, "-i", self.path],
                      [tree / "tests/setup/module.sh", self.kernel, "KCFLAGS="]):
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  check=False)
            if done.returncode:
                raise RuntimeError(f"{self.name}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def is_named_in(self, text):
        """Has it been noticed?"""
        return re.search(self.caught_by, text)


def bugs():
    """All of them."""
    return [Bug(path) for path in sorted((HERE / "planted").glob("*.patch"))]
