# SPDX-License-Identifier: GPL-2.0
"""Takes a guest to a point in its kernel, by a debugger."""

import dataclasses
import random
import re

from . import LabError
from .points import FEW, RESERVE, RETURN

REACH = 30      # the longest time to reach an address, seconds
# lock cmpxchg; kernels on one CPU overwrite the lock.
ATOMIC = re.compile(rb"[\xf0\x3e][\x48-\x4f]\x0f\xb1")
SUFFIX = r"(\.(isra|constprop|part)\.[0-9]+)*"      # added to names by the compiler


def functions(guest, ways):
    """Looks up the functions on the ways. Returns a map from names to addresses.
    Call this before a debugger is attached, because the guest has to answer."""
    words = {word for way in ways for word in way if not word.startswith("<")}
    pattern = "|".join(sorted(words))
    listed = [line.split() for line in guest.run(
        f"grep -E ' [tT] ({pattern}){SUFFIX}([[:space:]]|$)' /proc/kallsyms",
        timeout=120).splitlines()]
    return {word: [int(line[0], 16) for line in listed
                   if re.fullmatch(f"({word}){SUFFIX}", line[2])]
            for word in words}


@dataclasses.dataclass(frozen=True)
class Frame:
    """The frame of a function whose first instruction is next."""
    entry: int
    returns_to: int
    stack: int


class Walker:
    def __init__(self, guest, addresses):
        self.guest = guest
        self.cpu = 0            # the CPU that has reached a point
        self._addresses = addresses
        self._debugger = guest.debugger()

    def release(self):
        """Lets the guest run on without a debugger."""
        self._debugger.close()
        self.guest.cont()

    def go(self, way):
        """Takes the guest to a point. Returns the frame of the function that was
        entered last."""
        frame = None
        for word in way:
            if word == RETURN:
                self.run_to_return(frame)
            elif word == RESERVE:
                self.run_to([self.atomic(frame.entry)])
            elif word in FEW:
                self.step(random.randrange(FEW[word]))
            else:
                self.run_to(self.entries(word))
                frame = self.frame()
        return frame

    def entries(self, names):
        """The addresses of functions."""
        if not self._addresses.get(names):
            raise LabError(f"this kernel has no function {names}")
        return self._addresses[names]

    def frame(self):
        stack, entry = self.where()
        return Frame(entry, self._debugger.return_address(self.cpu), stack)

    def where(self):
        """The stack pointer and the address of the next instruction."""
        return self._debugger.registers(self.cpu)

    def above(self, frame):
        """Has the function returned to its caller?"""
        return self.where()[0] > frame.stack

    def wander(self, seconds):
        """Runs on for some time."""
        self._debugger.run(seconds)

    def step(self, count=1):
        for _ in range(count):
            self._debugger.step(self.cpu)

    def step_within(self, frame, count):
        """Like step(), but stops when the function has returned."""
        while count and not self.above(frame):
            self.step()
            count -= 1

    def atomic(self, entry):
        """The address of the first atomic exchange in a function."""
        code = self._debugger.memory(entry, 512, self.cpu)
        found = ATOMIC.search(code)
        if not found:
            raise LabError(f"no atomic exchange in the function at {entry:x}")
        return entry + found.start()

    def run_to(self, addresses, timeout=REACH, cpu=None):
        """Runs until a CPU reaches one of the addresses. cpu: only this one runs."""
        for address in addresses:
            self._debugger.stop_at(address)
        came = self._debugger.run(timeout, cpu)
        for address in addresses:
            self._debugger.clear(address)
        if came is None:
            raise NotReached(f"not reached in {timeout} s")
        self.cpu = came

    def run_to_return(self, frame):
        """Runs until this call of a function has returned."""
        while True:
            self.run_to([frame.returns_to])
            if self.where()[0] == frame.stack + 8:
                return
            self.step()


class NotReached(LabError):
    """The guest did not reach a point."""
