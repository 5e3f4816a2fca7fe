# SPDX-License-Identifier: GPL-2.0
"""The lab: boots guests under QEMU, forks them and judges what they sent."""

import os
import sys

_LIB = os.path.join(os.path.dirname(__file__), "..", "..", "lib")
if _LIB not in sys.path:
    sys.path.append(_LIB)


class LabError(Exception):
    """An error that one line explains."""


class EmulatorError(LabError):
    """QEMU has ended, and forkguard was not the cause."""


class Interrupted(LabError):
    """The lab was interrupted by a signal."""
