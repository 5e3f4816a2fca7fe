# SPDX-License-Identifier: GPL-2.0
"""forkguard and other WireGuards in tunnels of every kind, see matrix.py."""

import time

import pytest
from forklab import audit
from forklab.guest import all_stopped
from forklab.kit import KERNELS
from matrix import (ALL, CELLS, HARD_PINGS, NETEM, NO_ENDPOINT, NUMBERS,
                    PATIENCE, REKEY_AFTER, SIDES, TALK)

SOON, LATE = 8, 30      # seconds until an answer comes


@pytest.fixture(params=NUMBERS, ids=map(str, CELLS))
def n(request):
    """Of a tunnel: forkguard begins it or not, and so on."""
    return request.param


@pytest.fixture(params=("ours", "theirs"))
def whose(request):
    return request.param


def pings(phase, n):
    """Of a tunnel, from each side: sent, answered, answered again, answered
    after a later one. Of which family they were is all the same."""
    found = [side[name] for side in phase["pings"]
             for name in (f"{n}.4", f"{n}.6") if name in side]
    assert len(found) >= len(phase["pings"]) > 0
    return found


@pytest.fixture
def spared(peer):
    """How many of some pings a busy machine may lose: guests' cable is UDP,
    and ping has a small buffer. None is lost where only waiting takes time."""
    return lambda sent: 0 if peer == "uml-wireguard" else max(1, sent // 5)


@pytest.fixture
def assert_answered(spared):
    """That of a tunnel's pings in a phase all were answered, once."""
    def look(phase, n):
        for sent, answered, again, _ in pings(phase, n):
            assert sent > 0 and sent - answered <= spared(sent) and again == 0
    return look


def test_handshake(facts, assert_answered, n):
    """Pings of both families, both ways, whoever begins; the other learns
    where that one is."""
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
    """What the pings of the other tests stand on: keys matter."""
    found = facts["handshake"]
    assert [p[1] for p in pings(found, n)] == [0] * 4
    assert all(found["pings"][ALL[n].initiator][f"{n}.{family}"][0] > 0 for family in (4, 6))
    assert [side[n] for side in found["handshakes"]] == [0, 0]


def test_rekey(facts, peer, spared, n):
    """After two minutes of talk there are other keys, and after four, which
    are in user-mode Linux only, again; nothing was lost."""
    found = facts["rekey"]
    rekeys = 1 if peer in KERNELS else 2
    for sent, answered, again, _ in pings(found, n):
        # The last is on its way.
        assert sent >= rekeys * REKEY_AFTER / TALK and again == 0
        assert sent - answered <= 1 + spared(sent)
    for side in SIDES:
        before, after = found["before"][side][n], found["after"][side][n]
        assert after - before >= rekeys * REKEY_AFTER
        assert found["now"][side] - after <= REKEY_AFTER + 2 * TALK


@pytest.mark.parametrize("peer", KERNELS)
def test_who_rekeys(facts):
    """Who began a session does."""
    assert min(facts["initiations"]) >= len(CELLS) // len(SIDES)


def test_lost_keys(facts, assert_answered, whose, n):
    """One side has no keys any more, the other does not know."""
    found = facts[f"lost keys, {whose}"]
    assert found["seconds"][n] < SOON
    assert_answered(found, n)
    for side in SIDES:
        assert found["after"][side][n] > found["before"][side][n]


def test_restart(facts, assert_answered, whose, n):
    """One side begins from nothing, its time stamps go on. The other has a
    session still, and needs 15 s to learn that it is worth nothing, unless it
    is who began anew that begins."""
    found = facts[f"restart, {whose}"]
    at_once = CELLS[n].initiator == ("ours", "theirs").index(whose)
    assert found["seconds"][n] < (SOON if at_once else LATE)
    assert_answered(found, n)


def test_roaming(facts, assert_answered, peer, whose, n):
    """One side moves: to another address, to one of the other family, to one
    of IPv4, and back."""
    found = facts[f"roaming, {whose}"]
    # That sends from an IPv4 address that it has no more until it has heard
    # nothing for 15 s: of the kernel's ways to refuse it knows another.
    clings = peer == "uml-wireguard-go" and whose == "theirs"
    assert len(found["moves"]) == 4
    for move in found["moves"]:
        assert move["seconds"][n] < (
            LATE if clings and "." in move["expected"][n] else SOON)
        assert move["learnt"][n] == move["expected"][n]
        assert_answered(move, n)
    assert len({move["expected"][n] for move in found["moves"]}) >= 3
    for sent, answered, again, _ in pings(found, n):
        assert (clings or answered > sent / 2) and again == 0


@pytest.mark.parametrize("hardship", NETEM)
def test_hardship(facts, spared, hardship, n):
    """A tunnel comes up all the same, and what comes through does so once."""
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
    """It did all that: without a tunnel it shows."""
    for name, told in (("loss", lambda p: p[1] < p[0]),
                       ("reordering", lambda p: p[3] > 0),
                       ("duplication", lambda p: p[2] > 0)):
        assert all(told(side[f"cable.{family}"])
                   for side in facts[name]["pings"] for family in (4, 6))


@pytest.mark.parametrize("peer", KERNELS)
def test_nothing_amiss(peer, matrices):
    """The kernels have not complained, and no nonce was used twice. That
    user-mode Linux has not is a condition for its facts."""
    _, guests = matrices(peer)
    assert guests.bench.splats() == []
    with all_stopped(guests.bench.folder):
        assert audit.judge([g.captures[0] for g in (
            guests.bench.ours, guests.bench.stock)]).reused == 0


@pytest.mark.parametrize("sender", (0, 1), ids=("send", "receive"))
def test_tcp_stream(bench, tunnel_up, sender):
    """What goes in comes out: a stream of full-sized packets, unchanged."""
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
