# SPDX-License-Identifier: GPL-2.0
"""Stops a guest at any instruction through QEMU's debugging stub.

The protocol is GDB's remote serial protocol: packets "$TEXT#SUM". All CPUs
stop together, but can be run one at a time.
"""

import re
import socket
import struct
import time

from . import LabError

RSP, RIP = 7, 16        # in the order of the protocol
TRAPPED = "T05"         # stopped by a breakpoint or a step


class Debugger:
    """An attached debugger; the guest is stopped. CPUs count from 0."""

    def __init__(self, path, timeout=20):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(path)
        self._data = b""
        self._breakpoints = set()
        self._selected = None   # the CPU whose registers are accessed
        # The stub may first report that the guest has stopped.
        self._send("?")
        while not (self._receive() or TRAPPED).startswith(TRAPPED):
            pass

    def _send(self, text):
        data = text.encode()
        self._socket.sendall(b"$%s#%02x" % (data, sum(data) & 255))

    def _receive(self, timeout=20):
        """The next packet, or None."""
        deadline = time.monotonic() + timeout
        while True:
            packet = re.search(rb"\$([^#]*)#..", self._data, re.DOTALL)
            if packet:
                self._data = self._data[packet.end():]
                return packet[1].decode()
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                return None
            if not data:
                raise LabError("QEMU has ended under its debugger")
            self._data += data

    def _ask(self, text):
        self._send(text)
        answer = self._receive()
        if answer is None or answer.startswith("E"):
            raise LabError(f"debugger: {text}: {answer or 'no answer'}")
        return answer

    def close(self):
        """Detaches. A guest that was stopped before stays stopped."""
        for address in list(self._breakpoints):
            self.clear(address)
        self._socket.close()

    def stop_at(self, address):
        """Sets a breakpoint."""
        self._ask(f"Z0,{address:x},1")
        self._breakpoints.add(address)

    def clear(self, address):
        """Removes a breakpoint."""
        self._ask(f"z0,{address:x},1")
        self._breakpoints.discard(address)

    def run(self, timeout=20, cpu=None):
        """Runs all CPUs, or one, until one reaches a breakpoint. Returns which
        one, or None after the timeout."""
        who = "" if cpu is None else f":p1.{cpu + 1:x}"
        self._selected = None
        self._send(f"vCont;c{who}")
        stopped = self._receive(timeout)
        if stopped is None:
            self._socket.sendall(b"\x03")
            stopped = self._receive()
        if stopped is None or not stopped.startswith("T"):
            raise LabError(f"debugger: did not stop: {stopped}")
        if not stopped.startswith(TRAPPED):
            return None
        return int(re.search(r"thread:(?:p\w+\.)?(\w+);", stopped)[1], 16) - 1

    def step(self, cpu=0):
        """Executes one instruction of one CPU, without interrupts."""
        self._selected = None
        self._ask(f"vCont;s:p1.{cpu + 1:x}")

    def _select(self, cpu):
        if self._selected != cpu:
            self._ask(f"Hgp1.{cpu + 1:x}")
            self._selected = cpu

    def registers(self, cpu=0):
        """The stack pointer and the address of the next instruction."""
        self._select(cpu)
        values = struct.unpack_from("<17Q", bytes.fromhex(self._ask("g")))
        return values[RSP], values[RIP]

    def memory(self, address, size, cpu=0):
        self._select(cpu)
        return bytes.fromhex(self._ask(f"m{address:x},{size:x}"))

    def write(self, address, data, cpu=0):
        """Writes memory, also that of code: debuggers ignore write protection."""
        self._select(cpu)
        self._ask(f"M{address:x},{len(data):x}:{data.hex()}")

    def return_address(self, cpu=0):
        """The return address, at the first instruction of a function."""
        stack, _ = self.registers(cpu)
        return struct.unpack("<Q", self.memory(stack, 8, cpu))[0]
