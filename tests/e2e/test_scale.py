# SPDX-License-Identifier: GPL-2.0
"""Small versions of the scenes of `make scale`, so that they do not break
between two full runs. Scenes with many clones are covered by test_forks.py."""

import captures
import pytest
from forklab import audit, endurance, hub, pcap
from forklab.session import progress, session
from messages import response, transport

LIMIT = 240
RESETS = 200        # a second; the full run makes 1,000
PEER = bytes((0x52, 0x54, 0, 0, 0, 2))
INDEX = 0x11223344


@pytest.fixture
def small_hub():
    with session(LIMIT) as folder:
        made = hub.Guests("6.1", folder, progress(), live=2, idle=500)
        made.configure()
        yield made


def test_resets(small_hub):
    assert endurance.resets(small_hub, seconds=3, rate=RESETS).faults == []


def test_peers(small_hub):
    assert endurance.peers(small_hub, seconds=2).faults == []


def frame(to_peer, payload):
    macs = PEER + hub.MAC if to_peer else hub.MAC + PEER
    return captures.ethernet(captures.ipv4(captures.udp(payload)), macs=macs)


def choice(ephemeral):
    """The peer responds to a handshake and chooses the index."""
    return frame(False, response(INDEX, 7, bytes([ephemeral]) * 32))


def data(text, to_peer=True):
    return frame(to_peer, transport(INDEX, 0, bytes([text]) * 32))


@pytest.mark.parametrize("frames, chance", (
    ((choice(1), data(1), choice(2), data(2)), [True]),
    ((choice(1), choice(2), data(1), data(2, to_peer=False)), [True]),
    ((choice(1), data(1), data(2)), [False]),
    ((choice(1), data(1), choice(2), data(2), data(3)), [False, False]),
), ids=("two-sessions", "two-ways", "one-session", "one-of-two-sessions"))
def test_indices_that_two_sessions_chose(tmp_path, frames, chance):
    """What counts as a coincidence, and what does not."""
    path = tmp_path / "some.pcap"
    path.write_bytes(captures.pcap(frames))
    verdict = audit.judge([pcap.Capture(str(path), hub.MAC)])
    assert [endurance.by_chance(reuse) for reuse in verdict.reuses] == chance
