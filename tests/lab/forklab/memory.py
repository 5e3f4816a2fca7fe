# SPDX-License-Identifier: GPL-2.0
"""The memory of a guest, as an unnamed file that disappears with the lab."""

import os


class Memory:
    def __init__(self):
        self._file = os.fdopen(os.memfd_create("guest"), "rb+", buffering=0)

    @property
    def path(self):
        """A path by which other processes of this user can open it."""
        return f"/proc/{os.getpid()}/fd/{self._file.fileno()}"

    def copy(self):
        """Another memory with the same contents."""
        other = Memory()
        source, target = self._file.fileno(), other._file.fileno()
        size = os.fstat(source).st_size
        os.ftruncate(target, size)
        for start, end in _extents(source, size):
            os.lseek(target, start, os.SEEK_SET)
            while start < end:
                start += os.sendfile(target, source, start, end - start)
        return other


def _extents(file, size):
    """The parts of a sparse file that have been written to."""
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError:         # the rest is a hole
            return
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end
