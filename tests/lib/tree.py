# SPDX-License-Identifier: GPL-2.0
"""Copies of the module's source, to break."""

import filecmp
import shutil
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PARTS = ("module", "include", "tests/kunit")
PATCH = ("patch", "-p1", "-F0", "--batch", "--forward", "--no-backup-if-mismatch", "-r-")


class TreeError(Exception):
    """A patch that does not fit, or a source that does not build."""


def command(complaint, *words):
    """Runs a command and returns what it prints."""
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise TreeError(f"{complaint}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def sources(parts=PARTS):
    """What a module is made of: {name in the tree: path}."""
    return {path.relative_to(TOP): path for path in [TOP / "Kbuild"] + [
        path for part in parts for path in sorted((TOP / part).rglob("*.[ch]"))]}


class Tree:
    """One copy, with its own objects, so that little is rebuilt. WANTED is what is in it, like
    sources()."""

    def __init__(self, path, wanted=None):
        self.path = Path(path)
        self._wanted = wanted or sources()
        self.path.mkdir(parents=True, exist_ok=True)
        scripts = self.path / "scripts"
        if not scripts.is_symlink():
            scripts.symlink_to(TOP / "scripts")
        self.restore()

    def restore(self):
        """Makes it as it was before it was broken, touching only what differs."""
        for folder in {name.parent for name in self._wanted if name.suffix in (".c", ".h")}:
            for path in (self.path / folder).glob("*.[ch]"):
                if path.relative_to(self.path) not in self._wanted:
                    path.unlink()
        for name, source in self._wanted.items():
            copy = self.path / name
            if not copy.exists() or not filecmp.cmp(source, copy, shallow=False):
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, copy)

    def apply(self, patch, *options):
        """Breaks it; OPTIONS are those of patch(1)."""
        complaint = f"{Path(patch).name} does not apply"
        command(complaint, *PATCH, *options, "-d", self.path, "-i", patch)

    def build(self, kernel, *variables):
        """Builds the module, warnings or not, for what module.sh knows; returns its path."""
        return command("does not build", self.path / "scripts/module.sh", kernel, "KCFLAGS=",
                       *variables)
