# SPDX-License-Identifier: GPL-2.0
"""Every scene of the lab, with forkguard and with its control.

The control shows that the scene can detect reuse: stock WireGuard must reuse a nonce in it.
"""

import pytest
from forklab import report, scenes
from forklab.session import progress, session

FORKS = 2
CONTROL_FORKS = 8       # at most: the control ends with its first reuse
LIMIT = 240
LEAST_JUDGED = 1000     # messages a round
RETRY = 5               # seconds until a handshake that failed is retried
RATE = {"forked-pair": 2000}


def play(scene, kernel, system, rounds):
    with session(LIMIT) as folder:
        options = scenes.Options(
            kernel, system, folder, progress(), rounds=rounds,
            rate=RATE.get(scene, 4000),
            handshakes=scene == "template-clones")
        played = []
        for one in scenes.run(scene, options):
            played.append(one)
            if system == "wireguard" and report.is_caught(one):
                break
        return report.Summary(played)


@pytest.mark.parametrize("scene", scenes.SCENES)
def test_scene(kernel, scene):
    ours = play(scene, kernel, "forkguard", FORKS)
    print(report.table((ours, None)))
    assert report.faults(ours, None) == []
    assert all(r.verdict.judged > LEAST_JUDGED for r in ours.rounds)
    if scene == "rollback":
        assert max(ours.recovered) < RETRY, "the lagging wall clock was used"


@pytest.mark.one_kernel
@pytest.mark.parametrize("scene", scenes.SCENES)
def test_control(kernel, scene):
    control = play(scene, kernel, "wireguard", CONTROL_FORKS)
    print(report.table((None, control)))
    assert report.faults(None, control) == []
    # The verdict on stock WireGuard must be a failure.
    assert report.faults(control, None) != []
