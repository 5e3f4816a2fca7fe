# SPDX-License-Identifier: GPL-2.0
"""Fixtures of the end-to-end tests: guests from the lab, on both kernels."""

import concurrent.futures
import contextlib
import json
import os
import random
import subprocess
import time

import chance
import matrix
import pytest
from forklab import EmulatorError, kit, pcap, tunnel
from forklab.guest import Cable, Guest, Machine, splats
from forklab.session import session

MATRIX_SECONDS = 2400   # for one in user-mode Linux on a busy machine
PATIENCE = 25       # seconds for a rekey on a busy machine
# Go's runtime makes no progress if computing takes no time by the clock.
UML = {"uml-wireguard": ("wireguard", "time-travel=inf-cpu"),
       "uml-wireguard-go": ("wireguard-go", "time-travel")}
PEERS = kit.KERNELS + tuple(UML)


class Bench:
    """Two guests on one cable; only the first has forkguard loaded."""

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
        """The complaints of the kernels since the last call."""
        told = self._told
        self._told = set(splats(self.folder))
        return sorted(self._told - told)

    @property
    def alive(self):
        """False after an emulator has crashed. Then the test is repeated in new
        guests, see tests/check."""
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


@pytest.fixture(scope="session", params=PEERS)
def peer(request):
    """Stock WireGuard in a guest, on either kernel; and stock WireGuard and
    Debian's wireguard-go in user-mode Linux 6.1."""
    return request.param


@pytest.fixture(scope="session")
def benches():
    """The benches so far, by kernel, and the exit stack that ends them."""
    with contextlib.ExitStack() as end:
        yield {}, end


@pytest.fixture
def bench(kernel, benches):
    """One bench for all tests on a kernel, as long as it is alive."""
    found, end = benches
    if kernel not in found or not found[kernel].alive:
        for old in found.values():
            old.kill()
        found[kernel] = Bench(kernel, end.enter_context(session())).wait_ready()
    return found[kernel]


@pytest.fixture
def tunnel_up(bench):
    """A working tunnel with forkguard as the initiator. After the test, it is
    removed, and processes that the test has left in the guests are killed."""
    ours, stock = ends()
    bench.stock.run(stock.bring_up(ours))
    bench.ours.run(ours.bring_up(stock, stock.endpoint()))
    bench.ours.run(f"ping -c 1 -W 20 {stock.v4}")
    yield ours, stock
    for guest, end in ((bench.ours, ours), (bench.stock, stock)):
        with contextlib.suppress(EmulatorError):
            guest.try_run("killall traffic nc tail ping")
            guest.try_run(f"{tunnel.IP} link del {end.interface}")


class Guests:
    """Two guests between which a matrix is played, see matrix.py. Their tunnels
    carry traffic from the beginning, so that the two minutes until a rekey pass
    while other tests run."""

    def __init__(self, kernel, folder):
        self.bench = Bench(kernel, folder, cpus=1)
        self.facts = {}
        self._matrix = None
        self._sent = []     # what each guest has sent since the traffic began
        self._rekey_at = 0

    def start(self):
        self.bench.wait_ready()
        for guest in (self.bench.ours, self.bench.stock):
            guest.run("modprobe sch_netem")
        self._matrix = matrix.Matrix(*(
            matrix.Host(guest, tunnel.TOOL[system], start, f"rmmod {system}")
            for guest, system, start in (
                (self.bench.ours, "forkguard", "modprobe forkguard"),
                (self.bench.stock, "wireguard", "modprobe wireguard; "
                 f"{tunnel.IP} link add tun type wireguard"))))
        self._matrix.start()
        self.facts["handshake"] = self._matrix.handshake()
        self._matrix.send_strangers_away()
        self._sent = [pcap.Reader(guest.captures[0])
                      for guest in (self.bench.ours, self.bench.stock)]
        for reader in self._sent:
            reader.messages()
        self._matrix.begin_talk()
        self._rekey_at = time.monotonic() + matrix.REKEY_AFTER

    def play(self):
        """Plays the remaining phases; returns the facts."""
        time.sleep(max(0, self._rekey_at - time.monotonic()))
        while time.monotonic() < self._rekey_at + PATIENCE and \
                not self._matrix.rekeyed():
            time.sleep(2)
        self.facts["rekey"] = self._matrix.rekey()
        self.facts["initiations"] = [sum(
            m.sent and m.kind == pcap.INITIATION for m in reader.messages())
                for reader in self._sent]
        return self.facts | self._matrix.others()

    @property
    def alive(self):
        return self.bench.alive


class UserMode:
    """Plays a matrix in user-mode Linux, where waiting takes no time."""

    alive = True

    def __init__(self, system, clock):
        self._system = system
        self._clock = clock

    def play(self):
        module = _output("scripts/module.sh", "um").strip()
        return json.loads(_output(
            "nice", "tests/kunit/uml", "-a", self._clock,
            "-m", module, "-t", str(MATRIX_SECONDS),
            "/usr/bin/python3", matrix.__file__, self._system, module,
            seconds=MATRIX_SECONDS + 100))


def _output(*words, seconds=1000):
    path = f"{kit.REPO}/build:{os.environ['PATH']}:/usr/sbin:/sbin"
    done = subprocess.run(words, cwd=kit.REPO, stdin=subprocess.DEVNULL,
                          env={**os.environ, "PATH": path,
                               "PYTHONPATH": kit.LAB},
                          capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def matrices(request):
    """Starts a matrix for each peer that tests need. Returns a function that
    returns the facts of a matrix and its guests."""
    wanted = {item.callspec.params["peer"] for item in request.session.items
              if "peer" in getattr(item, "fixturenames", ())}
    with contextlib.ExitStack() as end, \
            concurrent.futures.ThreadPoolExecutor() as pool, \
            concurrent.futures.ThreadPoolExecutor(1) as one_by_one:
        found, played = {}, {}

        def begin(peer):
            played.pop(peer, None)
            if peer in UML:
                found[peer] = UserMode(*UML[peer])
            else:
                found[peer] = Guests(peer, end.enter_context(session()))
                with contextlib.suppress(EmulatorError):
                    found[peer].start()     # or again when it is needed

        def tell(peer):
            if not found[peer].alive:
                found[peer].bench.kill()
                begin(peer)
            for other in wanted - set(played):
                played[other] = pool.submit(found[other].play)
            return played[peer].result(), found[peer]

        for peer in sorted(wanted):
            begin(peer)
        for peer in sorted(wanted & set(UML)):
            played[peer] = one_by_one.submit(found[peer].play)
        yield tell


@pytest.fixture
def facts(peer, matrices):
    return matrices(peer)[0]


def pytest_addoption(parser):
    parser.addoption("--sample", action="store_true", help="play matrices with one guest's kernel "
                     "and one peer in user-mode Linux, and tests marked one_kernel on one kernel")


def pytest_configure(config):
    config.addinivalue_line("markers", "one_kernel: --sample chooses a kernel for it")


def is_in_sample(item, number):
    """Is a test among those that --sample leaves? NUMBER is the commit's."""
    def choose(options, purpose):
        return random.Random(f"{number} {purpose}").choice(options)

    params = item.callspec.params if hasattr(item, "callspec") else {}
    if "peer" in params:
        alike = list(UML) if params["peer"] in UML else kit.KERNELS
        return params["peer"] == choose(alike, alike)
    if item.get_closest_marker("one_kernel"):
        purpose = item.originalname, params.get("scene")
        return params["kernel"] == choose(kit.KERNELS, purpose)
    return True


def pytest_collection_modifyitems(config, items):
    """Makes a sample if one is wanted; runs the tests of a matrix last."""
    if config.getoption("sample"):
        number = chance.number("e2e")
        config.hook.pytest_deselected(
            items=[item for item in items if not is_in_sample(item, number)])
        items[:] = [item for item in items if is_in_sample(item, number)]
    items.sort(key=lambda item: "peer" in item.fixturenames)


@pytest.fixture(scope="session", autouse=True)
def begin_early(request):
    if any("peer" in item.fixturenames for item in request.session.items):
        request.getfixturevalue("matrices")
