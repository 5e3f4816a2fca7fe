# SPDX-License-Identifier: GPL-2.0
"""The command line of the lab."""

import argparse
import os
import sys

from . import LabError, report, scenes
from .kit import KERNELS, SYSTEMS
from .session import persist, progress, session


def count(text):
    value = int(text)
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"not from 1 to 1000: {text}")
    return value


def packet_rate(text):
    value = int(text)
    if not 1 <= value <= 1000000:
        raise argparse.ArgumentTypeError(f"not from 1 to 1000000: {text}")
    return value


def parser():
    main = argparse.ArgumentParser(
        prog="lab", description="Forks guests and judges what they send.")
    commands = main.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="list the scenes")
    run = commands.add_parser("run", help="play one scene",
                              formatter_class=argparse.
                              ArgumentDefaultsHelpFormatter)
    run.add_argument("scene", choices=scenes.SCENES)
    run.add_argument("--kernel", choices=KERNELS, default=KERNELS[0])
    run.add_argument("--system", choices=SYSTEMS + ("both",), default="both",
                     help="what makes the tunnel of the guests that are "
                          "forked; wireguard is the control")
    run.add_argument("--clones", type=count, default=2,
                     help="machines made of each guest, where the scene "
                          "leaves the choice")
    run.add_argument("--rounds", type=count, default=3, help="forks")
    run.add_argument("--rate", type=packet_rate, default=4000,
                     help="packets a second from each guest that is forked")
    run.add_argument("--cpus", type=count, default=2,
                     help="CPUs of each guest that is forked")
    run.add_argument("--handshakes", action="store_true",
                     help="fork amid handshakes with many peers as well")
    run.add_argument("--limit", type=count, default=600, metavar="SECONDS",
                     help="time limit for each system")
    run.add_argument("--keep", metavar="DIR",
                     help="keep captures and consoles in DIR/SYSTEM")
    return main


def play(scene, system, arguments, say):
    keep = arguments.keep and os.path.join(arguments.keep, system)
    with session(arguments.limit, keep) as folder:
        options = scenes.Options(
            arguments.kernel, system, folder, say, clones=arguments.clones,
            rounds=arguments.rounds, rate=arguments.rate, cpus=arguments.cpus,
            handshakes=arguments.handshakes)
        return report.Summary(list(scenes.SCENES[scene](options)))


def main():
    arguments = parser().parse_args()
    if arguments.command == "list":
        for name, scene in scenes.SCENES.items():
            summary = ' '.join(scene.__doc__.split()).split('. ')[0]
            print(f"{name:<18}{summary.strip('.')}")
        return 0
    say = progress()
    systems = SYSTEMS if arguments.system == "both" else (arguments.system,)
    try:
        summaries = [persist(say, play, arguments.scene, system, arguments, say)
                     if system in systems else None for system in SYSTEMS]
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(report.table(summaries))
    faults = report.faults(*summaries)
    for fault in faults:
        print(f"lab: {fault}", file=sys.stderr)
    return 1 if faults else 0
