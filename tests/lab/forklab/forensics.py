# SPDX-License-Identifier: GPL-2.0
"""Searches the memory of a forked machine for secrets from before the fork.

The guest's peer is part of the lab (see peer), so it knows every secret that
both ends share, and all intermediate values. Only the guest knows its ephemeral
private key. While a handshake is pending, that key is found near the chaining key
in the guest's memory, by its public key, which was sent; or a debugger reads it
when it was just drawn. Memory means all of the guest's RAM and the registers of
its CPUs.
"""

import collections
import dataclasses
import mmap
import os
import re
import subprocess
import time

from . import LabError, fork, peer, tunnel
from .guest import Cable, Guest, Machine
from .initramfs import fingerprint
from .kit import LAB, cache, load
from .primitives import x25519

PATIENCE = 60           # seconds
STALE = 1               # seconds that a clone runs if it need not begin a handshake
NEAR = 256              # maximum distance of chaining key and ephemeral key, bytes
RATE = 100              # packets a second, each way
# States of a guest.
BEFORE = "before"
CLONE = "in the clone"
AFTER = "after it"
REGISTER = re.compile(r"=\s*((?:[0-9a-f]{8,} ?)+)")


@dataclasses.dataclass(frozen=True)
class Hit:
    """A place in memory with a piece of a secret."""
    in_register: bool
    address: int
    secret: peer.Secret
    start: int
    length: int


@dataclasses.dataclass(frozen=True)
class Look:
    """The result of searching a guest's memory."""
    event: str
    state: str
    hits: tuple
    pieces: int     # how many pieces of 8 bytes were searched for
    secrets: int    # the secrets to which they belong
    delay: float    # seconds since the clone began to run

    def count(self, kind):
        return sum(hit.secret.kind == kind for hit in self.hits)


def scanner():
    source = os.path.join(LAB, "forklab", "memscan.c")
    path = os.path.join(cache(), "memscan-" + fingerprint([source]), "memscan")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        new = f"{path}.{os.getpid()}"
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", new, source],
                       check=True, timeout=120)
        os.rename(new, path)
    return path


def scan(memory, registers, secrets):
    """Returns the hits in two files and the number of pieces that were
    searched for."""
    lines = "".join(f"{number} {secret.least} {secret.bytes.hex()}\n"
                    for number, secret in enumerate(secrets))
    done = subprocess.run([scanner(), memory, registers], input=lines,
                          check=True, stdout=subprocess.PIPE, text=True,
                          timeout=120)
    *found, last = ([int(word) for word in line.split() if word.isdigit()]
                    for line in done.stdout.splitlines())
    return tuple(Hit(file == 1, address, secrets[number], start, length)
                 for file, address, number, start, length in found), last[0]


def find_ephemeral(path, pending):
    """Finds the private key that belongs to an initiation of a guest."""
    handshake, message = pending
    at = -1
    with open(path, "rb") as file, \
            mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
        while (at := memory.find(handshake.chaining_key, at + 1)) >= 0:
            for start in range(max(at - NEAR, 0), at + NEAR, 4):
                candidate = memory[start:start + 32]
                if x25519(candidate) == message[8:40]:
                    return candidate
    raise LabError("the guest's ephemeral private key was not found")


class Case:
    """A guest with a tunnel to the lab's peer. Its memory is searched before
    and after each event."""

    def __init__(self, kernel, system, folder, say, cpu="", cpus=1):
        self.system = system
        self.looks = []
        self._folder = folder
        self._say = say
        self._plug = Cable().plug(0)
        self._machine = Machine(load(kernel, system), cpus, cpu=cpu)
        self._forks = 0
        self._guest = Guest(system, self._machine, [self._plug], folder)
        identities = [tunnel.identity() for _ in range(2)]
        self._ours, self._other = [
            tunnel.End(system, number, identity)
            for number, identity in enumerate(identities, 1)]
        self._peer = peer.Peer(
            self._plug, bytes((0x52, 0x54, 0, 0, 0, self._machine.mac)),
            identities[1].private, identities[0].public)

    def play(self, scenes):
        self._guest.wait_ready()
        self._guest.run(tunnel.cable_up(1))
        self._guest.run(self._ours.bring_up(self._other,
                                            self._other.endpoint()))
        for scene in scenes:
            getattr(self, scene)()
        self._guest.kill()
        self._peer.end()
        return self.looks

    def _look(self, event, state, secrets, since=None):
        """Searches a guest's memory. The guest stays stopped. since: when it began to
        run."""
        self._guest.stop()
        delay = time.monotonic() - since if since else 0
        registers = os.path.join(self._folder, "registers")
        with open(registers, "wb") as out:
            # In the byte order of memory.
            for value in REGISTER.findall(self._guest.registers()):
                out.write(bytes.fromhex(value.replace(" ", ""))[::-1]
                          + bytes(16))
        look = Look(event, state, *scan(self._guest.memory, registers,
                                        secrets), len(secrets), delay)
        self.looks.append(look)
        counts = collections.Counter(
            hit.secret.kind + " (register)" * hit.in_register
            for hit in look.hits)
        self._say(f"{self.system}: {event}, {state}: "
                  + (", ".join(f"{n} {kind}" for kind, n in counts.items())
                     or "nothing"))

    def _fork(self, event):
        """Searches the guest, and a clone once it has been reset: when it begins a
        handshake, or after enough time."""
        self._look(event, BEFORE, self._peer.secrets())
        self._forks += 1
        snapshot, = fork.snapshot([self._guest])
        self._guest.kill()
        time.sleep(0.1)     # until our peer has received all messages
        secrets = self._peer.secrets()
        self._guest, = fork.restore(
            snapshot, self._machine,
            {f"{self.system}{self._forks}": [self._plug]}, self._folder)
        self._peer.pending = None
        count = self._peer.initiations
        since = time.monotonic()
        fork.resume([self._guest])
        if self.system == "forkguard":
            self._wait_initiation(count)
        else:
            self._guest.run(f"sleep {STALE}")
        self._look(event, CLONE, secrets, since)

    def _wait_initiation(self, count):
        self._peer.wait("initiation", PATIENCE,
                        lambda: self._peer.initiations > count)

    def _begin(self):
        """Lets the guest begin a handshake, stops it, and adds its ephemeral private
        key to the secrets."""
        count = self._peer.initiations
        self._guest.cont()
        self._guest.run(f"ping -c 1 -W 1 {self._other.v4} >/tmp/ping 2>&1 &")
        if not self._peer.pending:
            self._wait_initiation(count)
        self._guest.stop()
        time.sleep(0.1)
        self._peer.note(peer.EPHEMERAL, find_ephemeral(self._guest.memory,
                                                       self._peer.pending))

    def _establish(self):
        """Makes a session that the guest initiates, and uses it both ways."""
        self._begin()
        received = self._peer.received
        self._peer.answer()
        self._guest.cont()
        self._peer.wait("data", PATIENCE,
                        lambda: self._peer.received > received)
        self._talk(5, 0)

    def _talk(self, count, interval):
        received = self._peer.received
        for number in range(count):
            self._peer.send(peer.ping(self._other.v4, self._ours.v4, number))
            time.sleep(interval)
        self._peer.wait("answers", PATIENCE, lambda:
                        self._peer.received >= received + count)

    # The scenes, in the order in which they are played.

    def pending(self):
        self._begin()
        self._fork("handshake begun")

    def idle(self):
        self._establish()
        self._fork("session idle")

    def traffic(self):
        self._establish()
        self._guest.run(f"traffic -r {RATE} {self._other.v4} "
                        ">/dev/null 2>&1 &")
        self._talk(RATE, 1 / RATE)
        self._fork("packets both ways")
        self._guest.cont()
        self._guest.run("killall traffic")

    def responding(self):
        """The guest has drawn its ephemeral key as responder, and is about to use
        it."""
        self._guest.cont()
        symbol = self._guest.run("grep ' curve25519_base_arch' /proc/kallsyms")
        debugger = self._guest.debugger()
        debugger.stop_at(int(symbol.split()[0], 16))
        self._peer.initiate()
        cpu = debugger.run()
        if cpu is None:
            raise LabError("the guest does not respond")
        argument = re.findall("RSI=([0-9a-f]+)", self._guest.registers())[cpu]
        self._peer.foresee(debugger.memory(int(argument, 16), 32, cpu))
        debugger.close()
        self._fork("amid responding")

    def responded(self):
        self._guest.cont()
        count = self._peer.responses
        self._peer.initiate()
        self._peer.wait("response", PATIENCE,
                        lambda: self._peer.responses > count)
        self._fork("just responded")

    def reset(self):
        self._establish()
        secrets = self._peer.secrets()
        self._look("forced reset", BEFORE, secrets)
        self._guest.cont()
        self._guest.run(self._ours.forget_sessions(self._other))
        self._look("forced reset", AFTER, secrets)

    def deleted(self):
        self._establish()
        secrets = self._peer.secrets()
        self._look("interface deleted", BEFORE, secrets)
        self._guest.cont()
        self._guest.run(f"{tunnel.IP} link del {self._ours.interface}")
        self._look("interface deleted", AFTER, secrets)
        self._guest.cont()
        self._guest.run(f"rmmod {self.system}")
        self._look("module unloaded", AFTER, secrets)


SCENES = ("pending", "idle", "traffic", "responding", "responded", "reset",
          "deleted")


def total(looks, kind, state):
    return sum(look.count(kind) for look in looks if look.state == state)


def table(looks):
    """The results as a table. looks: by system."""
    head = ["places in memory"] + [f"{system}: {state}" for system in looks
                                   for state in (BEFORE, CLONE, AFTER)]
    rows = [[kind] + [str(total(found, kind, state))
                      for found in looks.values()
                      for state in (BEFORE, CLONE, AFTER)]
            for kind in peer.KINDS]
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    return "\n".join("  ".join(cell.ljust(width)
                               for cell, width in zip(row, widths)).rstrip()
                     for row in (head, ["-" * width for width in widths],
                                 *rows))


def faults(ours, control):
    """Why the run failed or is inconclusive, as text; empty if it passed."""
    found = [f"forkguard: {look.event}, {look.state}: "
             f"{hit.secret.kind}, bytes {hit.start} to "
             f"{hit.start + hit.length - 1}, at {hit.address:#x}"
             for look in ours if look.state != BEFORE for hit in look.hits]
    found += [f"inconclusive: no {kind} was found before"
              for kind in (peer.SESSION, peer.CHAINING, peer.EPHEMERAL,
                           peer.COOKIE)
              for looks in (ours, control)
              if looks and not total(looks, kind, BEFORE)]
    if control and not total(control, peer.SESSION, CLONE):
        found.append("inconclusive: no session key was found in a clone "
                     "with stock WireGuard")
    return found
