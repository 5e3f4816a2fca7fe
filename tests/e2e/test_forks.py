# SPDX-License-Identifier: GPL-2.0
"""Every scene of the lab, with forkguard and with its control."""

import pytest
from forklab import report, scenes
from forklab.session import progress, session

FORKS = 2
CONTROL_FORKS = 8       # at most: the control ends with its first reuse
LIMIT = 240
LEAST_JUDGED = 1000     # messages a round
RETRY = 5               # seconds until a handshake that failed is retried
RATE = {"forked-pair": 2000}


def play(scene, kernel, system, say):
    with session(LIMIT) as folder:
        options = scenes.Options(
            kernel, system, folder, say,
            rounds=FORKS if system == "forkguard" else CONTROL_FORKS,
            rate=RATE.get(scene, 4000),
            handshakes=scene == "template-clones")
        rounds = []
        for one in scenes.run(scene, options):
            rounds.append(one)
            if system == "wireguard" and report.is_caught(one):
                break
        return report.Summary(rounds)


@pytest.mark.parametrize("scene", scenes.SCENES)
def test_scene(kernel, scene):
    say = progress()
    ours = play(scene, kernel, "forkguard", say)
    assert report.faults(ours, None) == []
    control = play(scene, kernel, "wireguard", say)
    print(report.table((ours, control)))
    assert report.faults(None, control) == []
    assert all(r.verdict.judged > LEAST_JUDGED for r in ours.rounds)
    if scene == "rollback":
        assert max(ours.recovered) < RETRY, "its clock was believed"
    # Were it stock WireGuard that is on trial, it would be found guilty.
    assert report.faults(control, None) != []
