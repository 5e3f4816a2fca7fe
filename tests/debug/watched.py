# SPDX-License-Identifier: GPL-2.0
"""What guests of kernels that watch themselves know besides: the memory that they have lost.

As a plugin of pytest (-p watched) this asks the guests of the end-to-end tests before they go.
"""

import pytest

# kmemleak judges no object younger than 5 s, and none that it has seen but once. Where there is one,
# it has to answer.
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
    """What kmemleak finds in a guest."""
    return machine.run(SCAN, timeout=60).strip()


@pytest.fixture(scope="session", autouse=True)
def no_leaks(benches):
    """After the last test, in the guests that are left."""
    yield
    assert benches[0]
    for bench in benches[0].values():
        bench.ours.run("rmmod forkguard")
        assert leaks(bench.ours) == ""
