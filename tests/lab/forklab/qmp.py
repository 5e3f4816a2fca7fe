# SPDX-License-Identifier: GPL-2.0
"""Speaks QMP, QEMU's control protocol, over a unix socket."""

import json
import socket
import time

from . import LabError


class Qmp:
    def __init__(self, path, timeout=20):
        deadline = time.monotonic() + timeout
        self._socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise LabError(f"QEMU does not answer at {path}") from None
                time.sleep(0.02)
        self._socket.settimeout(timeout)
        self._lines = self._socket.makefile("r")
        self._read()
        self("qmp_capabilities")

    def _read(self):
        try:
            line = self._lines.readline()
        except TimeoutError:
            raise LabError("QMP: no answer") from None
        if not line:
            raise ConnectionResetError("QMP: QEMU has ended")
        return json.loads(line)

    def __call__(self, command, **arguments):
        request = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self._socket.sendall(json.dumps(request).encode())
        while True:
            answer = self._read()
            if "error" in answer:
                raise LabError(f"QMP {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def close(self):
        self._lines.close()
        self._socket.close()
