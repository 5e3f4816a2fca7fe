# SPDX-License-Identifier: GPL-2.0
"""Has the n-th allocation of a task fail, of this one or of the kernel's workers; or, in a module
built with calls.h, the n-th call that can."""

import os
from pathlib import Path

DEBUG = Path("/sys/kernel/debug")


def setup():
    """All allocations may fail, not only those that must not sleep, and not only big ones."""
    for name, value in (("failslab/ignore-gfp-wait", "N"), ("fail_page_alloc/ignore-gfp-wait", "N"),
                        ("fail_page_alloc/min-order", "0")):
        (DEBUG / name).write_text(value)
    for name in ("failslab", "fail_page_alloc"):
        # The traces of what is injected are of no interest.
        (DEBUG / name / "verbose").write_text("0")


class Task:
    """The injection into this task: what is done in a "with" of it may fail."""

    def __init__(self, path="/proc/thread-self/fail-nth"):
        self.file = os.open(path, os.O_RDWR)

    def arm(self, number):
        """From here on, 0 for never."""
        os.pwrite(self.file, str(number).encode(), 0)

    def left(self):
        """How many allocations were left until the one to fail; 0 when it has."""
        return int(os.pread(self.file, 16, 0))


class Here:
    """Has the n-th allocation fail that this task makes."""

    def __init__(self):
        self.task = Task()

    def arm(self, number):
        """What follows may fail."""
        self.task.arm(number)

    def disarm(self):
        """Has something failed?"""
        left = self.task.left()
        self.task.arm(0)
        return left == 0


class Workers:
    """Has the n-th allocation fail that a worker of an unbound workqueue makes."""

    def __init__(self):
        self.tasks = {}

    def arm(self, number):
        """What workers are given from here on may fail."""
        for folder in Path("/proc").glob("[0-9]*"):
            if folder.name not in self.tasks:
                try:
                    if (folder / "comm").read_text().startswith("kworker/u"):
                        self.tasks[folder.name] = Task(folder / "fail-nth")
                except OSError:
                    pass
        for name, task in list(self.tasks.items()):
            try:
                task.arm(number)
            except OSError:
                del self.tasks[name]

    def disarm(self):
        """Has something failed?"""
        failed = False
        for name, task in list(self.tasks.items()):
            try:
                failed |= task.left() == 0
                task.arm(0)
            except OSError:
                del self.tasks[name]
        return failed


class Calls:
    """Has the n-th call of the module fail, whoever makes it."""

    FILE = Path("/sys/module/forkguard/parameters/fail_nth")
    number = 0  # also for a module that is about to be loaded

    def arm(self, number):
        """What follows may fail."""
        Calls.number = number
        if self.FILE.exists():
            self.FILE.write_text(str(number))

    def disarm(self):
        """Has something failed?"""
        Calls.number = 0
        if not self.FILE.exists():
            return True
        left = int(self.FILE.read_text())
        self.FILE.write_text("0")
        return left == 0
