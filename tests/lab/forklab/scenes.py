# SPDX-License-Identifier: GPL-2.0
"""The scenes: which guests are forked, how, and between which guests there is traffic.

Each scene is a generator of rounds; a round is one fork and the verdict on it. The guests of a
scene continue from round to round: each round forks a clone of the round before, so every fork has
a different past.
"""

import dataclasses
import os
import random
import time

from . import EmulatorError, LabError, audit, fork, kit, pcap, tunnel
from .guest import Cable, Guest, Machine, all_stopped, splats
from .timeline import SECOND, Timeline, wait_handshakes, wait_recovered

PEER_RATE = 200         # packets/s towards the guest that is forked
HANDSHAKE_PEERS = 100   # peers that never answer, so that handshakes are repeated
CLOCK_LAG = 3 * 3600    # seconds by which a guest that is rolled back is behind
RECOVERY = 20           # the longest wait for new keys, seconds
SETTLE = 1.0            # seconds of traffic before the first fork


@dataclasses.dataclass(frozen=True)
class Options:
    kernel: str
    system: str
    folder: str
    say: object                 # called with lines of progress
    clones: int = 2
    rounds: int = 2
    rate: int = 4000            # packets/s of each guest that is forked
    cpus: int = 2
    handshakes: bool = False    # also fork during handshakes
    quick: bool = False         # the forked guest was set up by wg-quick


@dataclasses.dataclass(frozen=True)
class Round:
    scene: str
    system: str
    kernel: str
    rate: float                 # packets/s sent before the fork
    clones: list                # a Timeline for each machine with a new ID
    originals: list             # the same for machines that kept their ID
    captures: list              # all captures that were judged
    shared: int                 # ephemeral keys that several machines used
    verdict: audit.Verdict
    splats: list                # complaints of the kernels until then

    @property
    def window(self):
        return sum(len(t.window) for t in self.clones)

    @property
    def recovered(self):
        return all(t.recovered is not None for t in self.clones)

    @property
    def originals_kept(self):
        """Did the machines that kept their ID continue with their keys?"""
        return all(t.window and t.new_sent is None for t in self.originals)


class Stage:
    """Two guests in one tunnel, with which every scene begins.

    The second guest has a network card for each machine that may talk to it at the same time. Each
    card is in a namespace of its own, with the same end of the tunnel: so there is one server for
    each copy of the client.
    """

    def __init__(self, options, second_system, cards):
        self.options = options
        self.names = 0
        first_end = tunnel.QuickEnd if options.quick else tunnel.End
        self.ends = [first_end(options.system, 1, tunnel.identity()),
                     tunnel.End(second_system, 2, tunnel.identity())]
        self.machines = [
            Machine(kit.load(options.kernel, options.system,
                             quick=options.quick),
                    cpus=options.cpus, mac=1),
            Machine(kit.load(options.kernel, second_system), mac=2,
                    cpus=options.cpus if cards == 1 else 1)]
        options.say(f"booting two guests, {options.system} and "
                    f"{second_system}, on {self.machines[0].kit.release}")
        self.cables = [Cable() for _ in range(max(cards, options.clones))]
        self.first = Guest("first.0", self.machines[0],
                           [self.cables[0].plug(0)], options.folder)
        self.second = Guest("second.0", self.machines[1],
                            [c.plug(1) for c in self.cables[:cards]],
                            options.folder)
        self.first.wait_ready()
        self.second.wait_ready()
        one, two = self.ends
        self.first.run(tunnel.cable_up(1) +
                       one.bring_up(two, two.endpoint()))
        for card in range(cards):
            self.in_namespace(card, f"{tunnel.IP} link set eth{card} netns "
                              f"card{card}", make=True)
            self.in_namespace(card, tunnel.cable_up(2, f"eth{card}") +
                              two.bring_up(one))
        self.first.run(f"ping -c 1 -W 20 {two.v4}")

    def in_namespace(self, card, commands, make=False):
        if make:
            self.second.run(f"{tunnel.IP} netns add card{card}\n{commands}")
        else:
            self.second.run(f"cat >/tmp/commands <<'EOF'\n{commands}\nEOF\n"
                            f"{tunnel.IP} netns exec card{card} "
                            "sh /tmp/commands")

    def start_traffic(self, cards, back_rate=PEER_RATE):
        one, two = self.ends
        for card in range(cards):
            self.in_namespace(card, f"traffic -r {back_rate} {one.v4} &")
        if self.options.handshakes:
            self.add_handshake_peers()
        self.first.run(f"traffic -r {self.options.rate} {two.v4} &")
        time.sleep(SETTLE)

    def add_handshake_peers(self):
        end = self.ends[0]
        targets = [f"10.10.0.{i + 1}" for i in range(HANDSHAKE_PEERS)]
        peers = " ".join(
            f"peer {tunnel.random_key()} endpoint 192.168.9.2:9 "
            f"allowed-ips {address}/32" for address in targets)
        self.first.run(
            f"{end.tool} set {end.interface} {peers} && "
            f"{tunnel.IP} route add 10.10.0.0/24 dev {end.interface}")
        self.first.run(f"traffic -p 7778 -r {HANDSHAKE_PEERS} "
                       f"{' '.join(targets)} &")

    def await_instant(self, timelines_reader):
        """Lets the guests talk until the instant of the fork, which is random or, with the option
        handshakes, during handshakes."""
        if self.options.handshakes:
            seen, found = wait_handshakes(timelines_reader,
                                          HANDSHAKE_PEERS // 8, 0.15, 12)
            if not found:
                self.options.say("no handshakes under way: forking anyway")
            return seen
        time.sleep(random.uniform(0, 0.5))
        return timelines_reader.messages()

    def wait_recovered(self, timelines):
        wait_recovered(timelines, RECOVERY * self.machines[0].kit.patience)

    def copy(self, guest, snapshot, plugs):
        """Restores a guest from a snapshot, once for each plug."""
        self.names += 1
        role = guest.name.split(".")[0]
        return fork.restore(snapshot, guest.machine,
                            {f"{role}.{self.names}{chr(97 + i)}": [plug]
                             for i, plug in enumerate(plugs)},
                            self.options.folder)

    def round(self, scene, past, clones, originals, captures):
        """Judges a fork. past: the messages of each forked guest before it;
        captures: those of all machines that share this past, before and after."""
        options = self.options
        machines = list(clones) + list(originals)
        with all_stopped(options.folder):
            verdict = audit.judge(captures)
            for machine in machines:
                machine.update()
        shared = sum(
            audit.shared_ephemerals({t.name: t.messages for t in machines
                                     if t.name.startswith(role)})
            for role in ("first", "second"))
        result = Round(scene, options.system, options.kernel,
                       sum(send_rate(m) for m in past) / len(past),
                       list(clones), list(originals), list(captures), shared,
                       verdict, splats(options.folder))
        options.say(describe(result))
        return result


def describe(result):
    times = [f"{1000 * t.recovered:.0f} ms" if t.recovered is not None
             else "not yet" for t in result.clones]
    return (f"{result.verdict.judged} messages judged, "
            f"{result.window} sent under old keys, "
            f"reuses: {result.verdict.count('transport')} transport, "
            f"{result.verdict.count('initiation', 'response')} handshake; "
            f"new keys after {', '.join(times)}")


def send_rate(messages):
    """The number of data packets sent in the last second of a guest's time."""
    since = messages[-1].micros - SECOND
    return sum(m.sent and m.carries_data and m.micros > since
               for m in messages)


def follow(guest, past):
    """The timeline of a machine made from a guest with this past."""
    if not past:
        raise LabError(f"{guest.name}: what it was made from was silent")
    return Timeline(guest.name, pcap.Reader(guest.captures[0]), past)


def template_clones(options):
    """One guest is forked into clones; each continues to talk to the peer."""
    stage = Stage(options, "wireguard", options.clones)
    stage.start_traffic(options.clones)
    template = stage.first
    for number in range(options.rounds):
        options.say(f"fork {number + 1} of {options.rounds}")
        reader = pcap.Reader(template.captures[0])
        past = reader.messages() + stage.await_instant(reader)
        [snapshot] = fork.snapshot([template])
        past += reader.messages()
        template.kill()
        clones = stage.copy(template, snapshot,
                            [cable.plug(0) for cable in stage.cables])
        fork.resume(clones)
        timelines = [follow(clone, past) for clone in clones]
        stage.wait_recovered(timelines)
        yield stage.round("template-clones", [past], timelines, [], [
            c for guest in [template] + clones for c in guest.captures])
        template = clones[0]
        for clone in clones[1:]:
            clone.kill()
        os.unlink(snapshot)
    template.kill()
    stage.second.kill()


def drop_in(options):
    """The same with a guest configured for WireGuard: Debian's wg-quick makes its tunnel."""
    return template_clones(dataclasses.replace(options, quick=True))


def forked_pair(options):
    """Two guests in one tunnel are both forked; each pair of copies continues to talk."""
    stage = Stage(options, options.system, 1)
    stage.start_traffic(1, back_rate=options.rate)
    pair = [stage.first, stage.second]
    for number in range(options.rounds):
        options.say(f"fork {number + 1} of {options.rounds}")
        readers = [pcap.Reader(guest.captures[0]) for guest in pair]
        pasts = [reader.messages() for reader in readers]
        pasts[0] += stage.await_instant(readers[0])
        snapshots = fork.snapshot(pair)
        for past, reader in zip(pasts, readers):
            past += reader.messages()
        for guest in pair:
            guest.kill()
        copies = [stage.copy(guest, snapshot,
                             [cable.plug(end) for cable in stage.cables])
                  for end, (guest, snapshot) in enumerate(zip(pair,
                                                              snapshots))]
        fork.resume(copies[0] + copies[1])
        timelines = [follow(copy, past)
                     for past, guests in zip(pasts, copies)
                     for copy in guests]
        stage.wait_recovered(timelines)
        yield stage.round("forked-pair", pasts, timelines, [], [
            c for guest in pair + copies[0] + copies[1]
            for c in guest.captures])
        pair = [copies[0][0], copies[1][0]]
        for guest in copies[0][1:] + copies[1][1:]:
            guest.kill()
        for snapshot in snapshots:
            os.unlink(snapshot)
    for guest in pair:
        guest.kill()


def rollback(options):
    """A guest runs on after its snapshot, is stopped, and is restored from the snapshot. Meanwhile
    the peer has received messages with timestamps that are hours ahead of the wall clock in the
    snapshot, as if the snapshot were hours old."""
    stage = Stage(options, "wireguard", 1)
    stage.start_traffic(1)
    guest = stage.first
    one, two = stage.ends
    for number in range(options.rounds):
        options.say(f"rollback {number + 1} of {options.rounds}")
        guest.run("hwclock -s -u")
        guest.run(f"date -s @$(($(date +%s) - {CLOCK_LAG}))")
        reader = pcap.Reader(guest.captures[0])
        past = reader.messages() + stage.await_instant(reader)
        [snapshot] = fork.snapshot([guest])
        past += reader.messages()
        guest.cont()
        time.sleep(1)
        guest.run("hwclock -s -u")
        guest.run(one.forget_sessions(two))
        time.sleep(1)
        guest.kill()
        [restored] = stage.copy(guest, snapshot, [stage.cables[0].plug(0)])
        fork.resume([restored])
        timelines = [follow(restored, past)]
        stage.wait_recovered(timelines)
        yield stage.round("rollback", [past], timelines, [],
                          guest.captures + restored.captures)
        guest = restored
        os.unlink(snapshot)
    guest.kill()
    stage.second.kill()


def original_runs_on(options):
    """A clone runs beside the original, which keeps its generation ID and its sessions and does not
    notice the fork."""
    stage = Stage(options, "wireguard", 2)
    stage.start_traffic(2)
    original, card = stage.first, 0
    for number in range(options.rounds):
        options.say(f"fork {number + 1} of {options.rounds}")
        reader = pcap.Reader(original.captures[0])
        past = reader.messages() + stage.await_instant(reader)
        [snapshot] = fork.snapshot([original])
        past += reader.messages()
        card = 1 - card
        [clone] = stage.copy(original, snapshot, [stage.cables[card].plug(0)])
        fork.resume([original, clone])
        followed = Timeline(original.name, reader, past)
        timeline = follow(clone, past)
        stage.wait_recovered([timeline])
        yield stage.round("original-runs-on", [past], [timeline], [followed],
                          original.captures + clone.captures)
        original.kill()
        original = clone
        os.unlink(snapshot)
    original.kill()
    stage.second.kill()


SCENES = {
    "template-clones": template_clones,
    "drop-in": drop_in,
    "forked-pair": forked_pair,
    "rollback": rollback,
    "original-runs-on": original_runs_on,
}


def run(name, options):
    """The rounds of a scene. No guest is left running afterwards."""
    if name not in SCENES:
        raise LabError(f"no such scene: {name}")
    return _rounds(SCENES[name], options)


def _rounds(scene, options):
    """Yields the rounds of a scene. If the emulator crashes after a failure, the failure is
    reported, too."""
    rounds = []
    try:
        for one in scene(options):
            rounds.append(one)
            yield one
    except EmulatorError as error:
        bad = [line for r in rounds for line in r.splats]
        bad += [f"{r.verdict.reused} nonces reused" for r in rounds
                if r.verdict.reused]
        if options.system == "forkguard" and bad:
            raise LabError(f"{bad}, then: {error}") from error
        raise
