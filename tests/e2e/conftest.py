# SPDX-License-Identifier: GPL-2.0
"""What the end-to-end tests share: guests from the lab, on both kernels."""

import contextlib
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lab"))

from forklab import EmulatorError, kit, tunnel  # noqa: E402
from forklab.guest import Cable, Guest, Machine, splats  # noqa: E402
from forklab.session import session  # noqa: E402


class Bench:
    """Two guests on one cable, forkguard loaded in the first only."""

    def __init__(self, kernel, folder, cpus=2):
        cable = Cable()
        self.folder = folder
        self._told = set()
        self.ours, self.stock = [
            Guest(name, Machine(kit.load(kernel, system), cpus, mac=number),
                  [cable.plug(number - 1)], folder)
            for number, (name, system) in enumerate(
                (("ours", "forkguard"), ("stock", "wireguard")), 1)]

    def wait_ready(self):
        for number, guest in ((1, self.ours), (2, self.stock)):
            guest.wait_ready()
            guest.run(tunnel.cable_up(number))
        return self

    def splats(self):
        """What the kernels have complained of since they were last asked."""
        told = self._told
        self._told = set(splats(self.folder))
        return sorted(self._told - told)

    @property
    def alive(self):
        """False after an emulator has crashed: the test is played again, then,
        see tests/check, in new guests."""
        return self.ours.alive and self.stock.alive

    def kill(self):
        for guest in (self.ours, self.stock):
            guest.kill()


def ends(number=0):
    """Both ends of a tunnel: forkguard's and stock WireGuard's."""
    return (tunnel.End("forkguard", 1, tunnel.identity(), number),
            tunnel.End("wireguard", 2, tunnel.identity(), number))


@pytest.fixture(scope="session", params=kit.KERNELS)
def kernel(request):
    return request.param


@pytest.fixture(scope="session")
def benches():
    """Those of the tests so far, by kernel, and what ends them."""
    with contextlib.ExitStack() as end:
        yield {}, end


@pytest.fixture
def bench(kernel, benches):
    """The same for all tests on a kernel, while it lives."""
    found, end = benches
    if kernel not in found or not found[kernel].alive:
        for old in found.values():
            old.kill()
        found[kernel] = Bench(kernel, end.enter_context(session())).wait_ready()
    return found[kernel]


@pytest.fixture
def tunnel_up(bench):
    """A tunnel that works, forkguard the initiator; gone after the test, and
    so is everything that a test has left running in the guests."""
    ours, stock = ends()
    bench.stock.run(stock.bring_up(ours))
    bench.ours.run(ours.bring_up(stock, stock.endpoint()))
    bench.ours.run(f"ping -c 1 -W 20 {stock.v4}")
    yield ours, stock
    for guest, end in ((bench.ours, ours), (bench.stock, stock)):
        with contextlib.suppress(EmulatorError):
            guest.try_run("killall traffic nc tail ping")
            guest.try_run(f"{tunnel.IP} link del {end.interface}")


class Rekeying:
    """Guests in which two tunnels have been talking since the tests began:
    forkguard began the first, stock WireGuard the second."""

    def __init__(self, kernel, folder):
        self.bench = Bench(kernel, folder, cpus=1)
        self.tunnels = [ends(number) for number in range(2)]

    def start(self):
        self.bench.wait_ready()
        machines = (self.bench.ours, self.bench.stock)
        for initiator, pair in enumerate(self.tunnels):
            for number, (guest, end) in enumerate(zip(machines, pair)):
                other = pair[1 - number]
                guest.run(end.bring_up(other, other.endpoint()
                                       if number == initiator else None))
            machines[initiator].run(
                f"ping -i 0.5 -W 5 {pair[1 - initiator].v4} >/tmp/ping &")
        return self


@pytest.fixture(scope="session")
def rekeying_guests():
    """Started before anything else, so that the two minutes until a rekey
    pass while other tests run."""
    with contextlib.ExitStack() as end:
        found = {kernel: Rekeying(kernel, end.enter_context(session()))
                 for kernel in kit.KERNELS}
        for one in found.values():
            with contextlib.suppress(EmulatorError):
                one.start()     # or again when it is needed
        yield found, end


@pytest.fixture
def rekeying(kernel, rekeying_guests):
    found, end = rekeying_guests
    if not found[kernel].bench.alive:
        found[kernel].bench.kill()
        found[kernel] = Rekeying(kernel, end.enter_context(session())).start()
    return found[kernel]


def pytest_collection_modifyitems(items):
    """Rekeys are looked at last."""
    items.sort(key=lambda item: "rekey" in item.name)


@pytest.fixture(scope="session", autouse=True)
def start_rekeying(request):
    if any("rekey" in item.name for item in request.session.items):
        request.getfixturevalue("rekeying_guests")
