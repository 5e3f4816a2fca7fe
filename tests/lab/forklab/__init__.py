# SPDX-License-Identifier: GPL-2.0
"""The lab: boots guests under QEMU, forks them and judges what they sent."""


class LabError(Exception):
    """An error that one line explains."""


class EmulatorError(LabError):
    """QEMU has ended, and forkguard was not the cause."""


class Interrupted(LabError):
    """The lab was interrupted by a signal."""
