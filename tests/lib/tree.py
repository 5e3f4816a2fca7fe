# SPDX-License-Identifier: GPL-2.0
"""Copies of the module's source, for planting bugs."""

import filecmp
import shutil
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PARTS = ("module", "include", "tests/kunit")
PATCH = ("patch", "-p1", "-F0", "--batch", "--forward", "--no-backup-if-mismatch", "-r-")


class TreeError(Exception):
    """A patch does not apply, or the source does not build."""


def command(complaint, *words):
    """Runs a command and returns its output."""
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise TreeError(f"{complaint}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def sources(parts=PARTS):
    """The sources of the module: {name in the tree: path}."""
    return {path.relative_to(TOP): path for path in [TOP / "Kbuild"] + [
        path for part in parts for path in sorted((TOP / part).rglob("*.[ch]"))]}


class Tree:
    """A copy with its own objects, so that little is rebuilt. WANTED: its files, in the form of
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
        """Undoes all patches, touching only files that differ."""
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
        """Applies a patch. OPTIONS are those of patch(1)."""
        complaint = f"{Path(patch).name} does not apply"
        command(complaint, *PATCH, *options, "-d", self.path, "-i", patch)

    def build(self, kernel, *variables):
        """Builds the module for a kernel of module.sh, even with warnings; returns its path."""
        return command("does not build", self.path / "scripts/module.sh", kernel, "KCFLAGS=",
                       *variables)
