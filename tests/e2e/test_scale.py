# SPDX-License-Identifier: GPL-2.0
"""Small versions of the scenes of `make scale`, so that breakage is noticed between
two full runs. test_forks.py covers scenes with many clones."""

import pytest
from forklab import endurance, hub
from forklab.session import progress, session

LIMIT = 240
RESETS = 200        # a second; the full run makes 1,000


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
