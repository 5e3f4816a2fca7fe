# SPDX-License-Identifier: GPL-2.0
"""Makes the n-th allocation of a task fail: of this task, or of the kernel's workers. In a module
built with calls.h, makes the n-th call fail that can."""

import os
from pathlib import Path

DEBUG = Path("/sys/kernel/debug")


def setup():
    """Lets all allocations fail, also those that may sleep, and small ones."""
    for name, value in (("failslab/ignore-gfp-wait", "N"), ("fail_page_alloc/ignore-gfp-wait", "N"),
                        ("fail_page_alloc/min-order", "0")):
        (DEBUG / name).write_text(value)
    for name in ("failslab", "fail_page_alloc"):
        # No backtraces of injected faults.
        (DEBUG / name / "verbose").write_text("0")


class Task:
    """Injects a fault into a task, by default into this one."""

    def __init__(self, path="/proc/thread-self/fail-nth"):
        self.file = os.open(path, os.O_RDWR)

    def arm(self, number):
        """Makes the allocation with this number, counted from here, fail; 0 for none."""
        os.pwrite(self.file, str(number).encode(), 0)

    def left(self):
        """How many allocations are left before the one that fails; 0 if it has failed."""
        return int(os.pread(self.file, 16, 0))


class Here:
    """Makes the n-th allocation of this task fail."""

    def __init__(self):
        self.task = Task()

    def arm(self, number):
        """Makes the allocation with this number fail."""
        self.task.arm(number)

    def disarm(self):
        """Has something failed?"""
        left = self.task.left()
        self.task.arm(0)
        return left == 0


class Workers:
    """Makes the n-th allocation of a worker of an unbound workqueue fail."""

    def __init__(self):
        self.tasks = {}

    def arm(self, number):
        """Makes the allocation with this number fail in each worker that exists."""
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
    """Makes the n-th call of the module fail, in any context."""

    FILE = Path("/sys/module/forkguard/parameters/fail_nth")
    number = 0  # also for a module that is about to be loaded

    def arm(self, number):
        """Makes the call with this number fail."""
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
