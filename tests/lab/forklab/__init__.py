# SPDX-License-Identifier: GPL-2.0
"""The lab: boots guests under QEMU, forks them and judges the messages that they send."""

import os
import sys

_LIB = os.path.join(os.path.dirname(__file__), "..", "..", "lib")
if _LIB not in sys.path:
    sys.path.append(_LIB)


class LabError(Exception):
    """An error with a message of one line."""


class EmulatorError(LabError):
    """QEMU has ended, and not because of forkguard."""


class Interrupted(LabError):
    """The lab was interrupted by a signal."""
