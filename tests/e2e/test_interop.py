# SPDX-License-Identifier: GPL-2.0
"""forkguard and other WireGuard implementations in tunnels of every kind, see matrix.py."""

import time

import pytest
from forklab import audit
from forklab.guest import all_stopped
from forklab.kit import KERNELS
from matrix import (ALL, CELLS, HARD_PINGS, NETEM, NO_ENDPOINT, NUMBERS,
                    PATIENCE, REKEY_AFTER, SIDES, TALK)

# Seconds until an answer comes. A side takes 15 s to find out that a session is dead. Where clocks
# are real, the machine may be busy.
SOON, SOON_BY_REAL_CLOCK, LATE = 8, 14, 30


@pytest.fixture(params=NUMBERS, ids=map(str, CELLS))
def n(request):
    """The number of a tunnel, which determines its setup."""
    return request.param


@pytest.fixture(params=("ours", "theirs"))
def whose(request):
    return request.param


def pings(phase, n):
    """The pings of a tunnel from each side: sent, answered, answered twice, answered after a later
    one. Both families are counted together."""
    found = [side[name] for side in phase["pings"]
             for name in (f"{n}.4", f"{n}.6") if name in side]
    assert len(found) >= len(phase["pings"]) > 0
    return found


@pytest.fixture
def spared(peer):
    """How many of some pings a busy machine may lose: one in five, because the guests' cable is
    UDP, and ping has a small buffer. None may be lost in user-mode Linux."""
    return lambda sent: 0 if peer == "uml-wireguard" else sent // 5


@pytest.fixture
def soon(peer):
    """How long an answer that comes at once may take."""
    return SOON if peer == "uml-wireguard" else SOON_BY_REAL_CLOCK


@pytest.fixture
def assert_answered(spared):
    """All pings of a tunnel in a phase were answered exactly once."""
    def look(phase, n):
        for sent, answered, again, _ in pings(phase, n):
            assert sent > 0 and sent - answered <= spared(sent) and again == 0
    return look


def test_handshake(facts, assert_answered, n):
    """Pings of both families are answered in both directions, whichever side initiates; the other
    side learns the initiator's endpoint."""
    found = facts["handshake"]
    assert found["known"][1 - CELLS[n].initiator][n] == NO_ENDPOINT
    assert_answered(found, n)
    assert len(pings(found, n)) == 4
    for side in SIDES:
        assert found["learnt"][side][n] == found["endpoints"][side][n]
        assert found["handshakes"][side][n] > 0


@pytest.mark.parametrize("n", range(len(CELLS), len(ALL)),
                         ids=("initiator", "responder"))
def test_wrong_psk_gives_no_session(facts, n):
    """The control of the other tests: keys matter."""
    found = facts["handshake"]
    assert [p[1] for p in pings(found, n)] == [0] * 4
    assert all(found["pings"][ALL[n].initiator][f"{n}.{family}"][0] > 0 for family in (4, 6))
    assert [side[n] for side in found["handshakes"]] == [0, 0]


def test_rekey(facts, peer, spared, n):
    """There are new keys after two minutes of traffic, and in user-mode Linux again after four. No
    packet is lost."""
    found = facts["rekey"]
    rekeys = 1 if peer in KERNELS else 2
    for sent, answered, again, _ in pings(found, n):
        # The last ping may still be in flight.
        assert sent >= rekeys * REKEY_AFTER / TALK and again == 0
        assert sent - answered <= 1 + spared(sent)
    for side in SIDES:
        before, after = found["before"][side][n], found["after"][side][n]
        assert after - before >= rekeys * REKEY_AFTER
        assert found["now"][side] - after <= REKEY_AFTER + 2 * TALK


@pytest.mark.parametrize("peer", KERNELS)
def test_who_rekeys(facts):
    """The initiator of a session rekeys it."""
    assert min(facts["initiations"]) >= len(CELLS) // len(SIDES)


def test_lost_keys(facts, assert_answered, soon, whose, n):
    """One side has lost its keys, and the other does not know."""
    found = facts[f"lost keys, {whose}"]
    assert found["seconds"][n] < soon
    assert_answered(found, n)
    for side in SIDES:
        assert found["after"][side][n] > found["before"][side][n]


def test_restart(facts, assert_answered, soon, whose, n):
    """One side starts without any state, except that its timestamps continue. The other still has a
    session, and needs 15 s to find out that it is dead, unless the restarted side initiates."""
    found = facts[f"restart, {whose}"]
    at_once = CELLS[n].initiator == ("ours", "theirs").index(whose)
    assert found["seconds"][n] < (soon if at_once else LATE)
    assert_answered(found, n)


def test_roaming(facts, assert_answered, soon, peer, whose, n):
    """One side moves: to another address, to one of the other family, to one of
    IPv4, and back."""
    found = facts[f"roaming, {whose}"]
    # It sends from an IPv4 address that it no longer has, until it has received
    # nothing for 15 s: it does not recognize this error of the kernel.
    clings = peer == "uml-wireguard-go" and whose == "theirs"
    assert len(found["moves"]) == 4
    for move in found["moves"]:
        assert move["seconds"][n] < (
            LATE if clings and "." in move["expected"][n] else soon)
        assert move["learnt"][n] == move["expected"][n]
        assert_answered(move, n)
    assert len({move["expected"][n] for move in found["moves"]}) >= 3
    for sent, answered, again, _ in pings(found, n):
        assert (clings or answered > sent / 2) and again == 0


@pytest.mark.parametrize("hardship", NETEM)
def test_hardship(facts, spared, hardship, n):
    """A tunnel still comes up, and each packet arrives at most once."""
    found = facts[hardship]
    assert found["seconds"][n] < PATIENCE
    for sent, answered, again, late in pings(found, n):
        assert sent == HARD_PINGS and again == 0
        if hardship == "loss":
            assert answered > sent / 4
        else:
            assert sent - answered <= spared(sent)
        if hardship == "reordering":
            assert late > 0


def test_cable(facts):
    """The control: outside a tunnel, the faults of the cable are visible."""
    for name, told in (("loss", lambda p: p[1] < p[0]),
                       ("reordering", lambda p: p[3] > 0),
                       ("duplication", lambda p: p[2] > 0)):
        assert all(told(side[f"cable.{family}"])
                   for side in facts[name]["pings"] for family in (4, 6))


@pytest.mark.parametrize("peer", KERNELS)
def test_nothing_amiss(peer, matrices):
    """No kernel has complained, and no nonce was reused. (User-mode Linux gives no facts if it has
    complained.)"""
    _, guests = matrices(peer)
    assert guests.bench.splats() == []
    with all_stopped(guests.bench.folder):
        assert audit.judge([g.captures[0] for g in (
            guests.bench.ours, guests.bench.stock)]).reused == 0


@pytest.mark.parametrize("sender", (0, 1), ids=("send", "receive"))
def test_tcp_stream(bench, tunnel_up, sender):
    """A stream of full-sized packets arrives unchanged."""
    machines = (bench.ours, bench.stock)
    source, sink = machines[sender], machines[1 - sender]
    # Busybox's nc closes when its input ends: tail never ends it.
    sink.run("tail -f /dev/null | nc -l -p 5000 >/tmp/received &")
    source.run("head -c 2000000 /dev/urandom >/tmp/sent")
    source.run(f"sleep 0.5; nc {tunnel_up[1 - sender].v4} 5000 </tmp/sent",
               timeout=60)
    sent = source.run("md5sum </tmp/sent")
    deadline = time.monotonic() + 20
    while sink.run("md5sum </tmp/received") != sent:
        assert time.monotonic() < deadline, "the stream arrived changed"
        time.sleep(0.5)
    assert bench.splats() == []
