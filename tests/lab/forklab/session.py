# SPDX-License-Identifier: GPL-2.0
"""The frame of a run: its folder, its time limit, and the end of its guests."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time

from . import EmulatorError, Interrupted, LabError
from .guest import guests

KEPT = (".pcap", ".console", ".unborn", ".qemu")


def progress(start=time.monotonic()):
    """Returns a function that prints lines of progress with the time since the
    start."""
    def say(text):
        print(f"[{time.monotonic() - start:5.0f} s] {text}", file=sys.stderr,
              flush=True)
    return say


def persist(say, play, *arguments):
    """Calls play(), and repeats it once if QEMU, not a guest, failed."""
    try:
        return play(*arguments)
    except EmulatorError as error:
        say(f"{error}; once more")
        return play(*arguments)


@contextlib.contextmanager
def session(limit=0, keep=None):
    """Provides a folder for the files of a run, which may last `limit` seconds.
    Captures and consoles are moved to `keep`, also after a failure."""
    def ended(number, _):
        if number == signal.SIGALRM:
            raise LabError(f"not done within its time limit of {limit} s")
        raise Interrupted(f"ended by {signal.Signals(number).name}")

    before = {number: signal.signal(number, ended) for number in
              (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP)}
    signal.alarm(limit)
    # Not in `keep`: the path of a unix socket has to be short.
    folder = tempfile.mkdtemp(prefix="forklab-")
    try:
        yield folder
    finally:
        signal.alarm(0)
        for guest in guests(folder):
            guest.kill()
        for number, handler in before.items():
            signal.signal(number, handler)
        if keep:
            os.makedirs(keep, exist_ok=True)
            for name in os.listdir(folder):
                if name.endswith(KEPT):
                    shutil.move(os.path.join(folder, name),
                                os.path.join(keep, name))
        shutil.rmtree(folder)
