# SPDX-License-Identifier: GPL-2.0
"""Guests of kernels that watch themselves: slower than others, and with more to complain of.

Importing this makes the lab patient and attentive. As a plugin of pytest (-p watched) it also asks
the guests of the end-to-end tests for leaks before they go.
"""

import re
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lab"))

from forklab import guest, scenes  # noqa: E402

PATIENCE = 6  # times as long as with a stock kernel
COMPLAINT = re.compile(
    guest.SPLAT.pattern + "|UBSAN:|ODEBUG:|INFO: (possible|trying|task)|kmemleak:.*leaks|leaked"
)
# As with Debian's kernels, random bytes are there at once; a timer that is late works all the same;
# an emulated TSC that is measured wrongly is not a clock.
ARGUMENTS = " random.trust_cpu=on no_timer_check tsc=unstable clocksource=hpet kunit.enable=1"
RULER = "=" * 40
# kmemleak judges no object younger than 5 s, and none that it has seen but once.
SCAN = """\
[ -e /sys/kernel/debug/kmemleak ] || mount -t debugfs debugfs /sys/kernel/debug
[ -e /sys/kernel/debug/kmemleak ] || exit 0
sleep 6
echo scan >/sys/kernel/debug/kmemleak
echo scan >/sys/kernel/debug/kmemleak
cat /sys/kernel/debug/kmemleak
"""

_try_run = guest.Guest.try_run
_qemu_command = guest.Guest._qemu_command  # pylint: disable=protected-access


def _try_run_patiently(self, command, timeout=30):
    return _try_run(self, command, PATIENCE * timeout)


def complaints(folder):
    """What the kernels of all guests of a run have complained of. Of data races, those that do not
    touch the module are the kernel's own."""
    found = []
    for console in sorted(Path(folder).glob("*.console")):
        lines = console.read_text(errors="replace").splitlines()
        for number, line in enumerate(lines):
            if COMPLAINT.search(line) and not ("BUG: KCSAN" in line and foreign(lines[number:])):
                found.append(f"{console.name}: {line.strip()}")
    return found


def foreign(report):
    """Is a report of KCSAN, which ends with a ruler, about others than the module?"""
    for line in report:
        if RULER in line:
            return True
        if "[forkguard]" in line:
            return False
    return True


def leaks(machine):
    """What kmemleak finds in a guest."""
    return machine.run(SCAN, timeout=60).strip()


def _qemu_command_and_arguments(self):
    words = _qemu_command(self)
    words[words.index("-append") + 1] += ARGUMENTS
    return words


guest.Guest.try_run = _try_run_patiently
guest.Guest._qemu_command = _qemu_command_and_arguments  # pylint: disable=protected-access
guest.BOOT_TIMEOUT *= PATIENCE
guest.splats = scenes.splats = complaints
scenes.RECOVERY *= PATIENCE


@pytest.fixture(scope="session", autouse=True)
def no_leaks(bench):
    """After the last test."""
    yield
    bench.ours.run("rmmod forkguard")
    assert leaks(bench.ours) == ""
