# SPDX-License-Identifier: GPL-2.0
"""Every scene of the lab, with forkguard and with its control."""

import sys

import pytest
from forklab import EmulatorError, report, scenes
from forklab.session import progress, session

FORKS = 2
CONTROL_FORKS = 8       # at most: the control ends with its first reuse
LIMIT = 240
LEAST_JUDGED = 1000     # messages a round
RETRY = 5               # seconds until a handshake that failed is retried
RATE = {"forked-pair": 2000}


def play(scene, kernel, system):
    """Plays a scene; once more if it was QEMU that failed, not a guest."""
    try:
        return play_once(scene, kernel, system)
    except EmulatorError as error:
        print(f"{error}; once more", file=sys.stderr)
        return play_once(scene, kernel, system)


def play_once(scene, kernel, system):
    with session(LIMIT) as folder:
        options = scenes.Options(
            kernel, system, folder, progress(),
            rounds=FORKS if system == "forkguard" else CONTROL_FORKS,
            rate=RATE.get(scene, 4000),
            handshakes=scene == "template-clones")
        rounds = []
        for one in scenes.SCENES[scene](options):
            rounds.append(one)
            if system == "wireguard" and one.verdict.reused:
                break
        return report.Summary(rounds)


@pytest.mark.parametrize("scene", scenes.SCENES)
def test_scene(kernel, scene):
    ours = play(scene, kernel, "forkguard")
    control = play(scene, kernel, "wireguard")
    print(report.table((ours, control)))
    assert report.faults(ours, control) == []
    assert all(r.verdict.judged > LEAST_JUDGED for r in ours.rounds)
    if scene == "rollback":
        assert max(ours.recovered) < RETRY, "its clock was believed"
    # Were it stock WireGuard that is on trial, it would be found guilty.
    assert report.faults(control, None) != []
