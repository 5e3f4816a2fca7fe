# SPDX-License-Identifier: GPL-2.0
"""Scenes with many related machines: many clones at once, and forks of forks."""

import dataclasses

from . import fork, kit, pcap, report, scenes, tunnel
from .guest import Cable, Guest, Machine
from .timeline import SECOND, Timeline, wait_recovered

CARDS = 16          # network cards of a peer guest, one for each machine
MEMORY = 128        # MB of a guest that is forked
RECOVERY = 120      # the longest wait for new keys, seconds


class Crowd(scenes.Stage):
    """A guest that is forked many times, and for each future machine an other end of the tunnel,
    in a namespace of its own. A peer guest has several of these."""

    def __init__(self, options, machines):
        self.options = options
        self.names = 0
        self.ends = [tunnel.End(system, number, tunnel.identity())
                     for number, system in ((1, options.system),
                                            (2, "wireguard"))]
        one, two = self.ends
        kits = [kit.load(options.kernel, end.system) for end in self.ends]
        self.cables = [Cable() for _ in range(machines)]
        groups = [self.cables[at:at + CARDS]
                  for at in range(0, machines, CARDS)]
        options.say(f"booting {options.system} and {len(groups)} guests with "
                    f"{machines} peers on {kits[0].release}")
        self.first = Guest(
            "first.0", Machine(kits[0], options.cpus, MEMORY, mac=1),
            [self.cables[0].plug(0)], options.folder)
        self.seconds = [
            Guest(f"second.{number}", Machine(kits[1], mac=2),
                  [cable.plug(1) for cable in group], options.folder)
            for number, group in enumerate(groups)]
        for guest in [self.first] + self.seconds:
            guest.wait_ready()
        self.first.run(tunnel.cable_up(1) +
                       one.bring_up(two, two.endpoint()))
        for card in range(machines):
            name = f"eth{card % CARDS}"
            self.in_namespace(card, f"{tunnel.IP} link set {name} netns "
                              f"card{card}", make=True)
            self.in_namespace(card, tunnel.cable_up(2, name) +
                              two.bring_up(one))
        self.first.run(f"ping -c 1 -W 20 {two.v4}")

    def in_namespace(self, card, commands, make=False):
        self.second = self.seconds[card // CARDS]
        super().in_namespace(card, commands, make)

    def copy(self, guest, snapshot, plugs):
        made = fork.restore(snapshot, guest.machine,
                            {f"first.{self.names + number}": [plug]
                             for number, plug in enumerate(plugs, 1)},
                            self.options.folder)
        self.names += len(made)
        return made


def clones(options):
    """One snapshot and all its clones at once, each exchanging data with its peer."""
    crowd = Crowd(options, options.clones)
    crowd.start_traffic(options.clones, options.rate)
    first = crowd.first
    reader = pcap.Reader(first.captures[0])
    past = reader.messages() + crowd.await_instant(reader)
    [snapshot] = fork.snapshot([first])
    past += reader.messages()
    first.kill()
    options.say(f"restoring {options.clones} clones")
    machines = crowd.copy(first, snapshot,
                          [cable.plug(0) for cable in crowd.cables])
    # Their times include the time to resume all of them.
    timelines = [scenes.follow(machine, past) for machine in machines]
    fork.resume(machines)
    options.say("all run")
    wait_recovered(timelines, RECOVERY)
    yield crowd.round("clones", [past], timelines, [], [
        c for guest in [first] + machines for c in guest.captures])


def deep(options):
    """Forks of forks, options.rounds deep. The original and the clones of all depths run on and are
    judged together."""
    crowd = Crowd(options, options.rounds + 1)
    crowd.start_traffic(options.rounds + 1, options.rate)
    family = [crowd.first]
    for depth in range(1, options.rounds + 1):
        options.say(f"depth {depth} of {options.rounds}")
        parent = family[-1]
        reader = pcap.Reader(parent.captures[0])
        past = reader.messages() + crowd.await_instant(reader)
        [snapshot] = fork.snapshot([parent])
        past += reader.messages()
        [clone] = crowd.copy(parent, snapshot, [crowd.cables[depth].plug(0)])
        timeline = scenes.follow(clone, past)
        followed = Timeline(parent.name, reader, past)
        fork.resume([parent, clone])
        wait_recovered([timeline], RECOVERY)
        family.append(clone)
        result = crowd.round("deep", [past], [timeline], [followed],
                             [c for guest in family for c in guest.captures])
        if depth == options.rounds:
            result = dataclasses.replace(
                result, splats=result.splats + complaints(family, options.system))
        yield result


class Together(report.Summary):
    """Sums up rounds whose verdicts each cover all captures from the beginning."""

    def __init__(self, rounds):
        super().__init__(rounds)
        last = report.Summary(rounds[-1:])
        self.judged, self.reused = last.judged, last.reused
        self.transport, self.handshake = last.transport, last.handshake


def complaints(family, system):
    """The faults of related machines, given from the oldest: a machine is silent, or its count of
    forks does not match its past."""
    found = []
    for depth, machine in enumerate(family):
        messages = pcap.read(machine.captures[0])
        since = messages[-1].micros - 3 * SECOND
        if len({m.sent for m in messages
                if m.carries_data and m.micros > since}) < 2:
            found.append(f"{machine.name}: silent at the end")
        if system == "forkguard":
            told = machine.run("fwg generation")
            if f"forks: {depth}\n" not in told:
                found.append(f"{machine.name}: not {depth} forks: {told}")
    return found
