# SPDX-License-Identifier: GPL-2.0
"""Asks the kernels of guests for memory leaks, if they have kmemleak.

As a plugin of pytest (-p watched), it does so in the guests of the end-to-end tests at the end.
"""

import pytest

# kmemleak reports only objects that are older than 5 s and that two scans have found. If a kernel
# has kmemleak, the scan must work.
SCAN = """\
set -e
grep -q " kmemleak_scan$" /proc/kallsyms || exit 0
[ -e /sys/kernel/debug/kmemleak ] || mount -t debugfs debugfs /sys/kernel/debug
sleep 6
echo scan >/sys/kernel/debug/kmemleak
echo scan >/sys/kernel/debug/kmemleak
cat /sys/kernel/debug/kmemleak
"""


def leaks(machine):
    """The leaks that kmemleak finds in a guest."""
    return machine.run(SCAN, timeout=60).strip()


@pytest.fixture(scope="session", autouse=True)
def no_leaks(benches):
    """After the last test, looks for leaks in the guests that are left."""
    yield
    assert benches[0]
    for bench in benches[0].values():
        bench.ours.run("rmmod forkguard")
        assert leaks(bench.ours) == ""
