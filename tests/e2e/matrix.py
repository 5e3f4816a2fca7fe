# SPDX-License-Identifier: GPL-2.0
"""Tests forkguard with another WireGuard implementation: one tunnel for each way to set one up, all
between the same two hosts, on a cable that can lose, reorder or duplicate packets.

The hosts are guests of the lab; or namespaces of user-mode Linux, where this file is a program:

	matrix.py wireguard|wireguard-go MODULE     plays everything, prints the facts as JSON

The results are facts, by phase and tunnel; test_interop.py judges them.
"""

import concurrent.futures
import dataclasses
import json
import subprocess
import sys
import time

from forklab import tunnel

IP = tunnel.IP
TC = "/sbin/tc"
OURS, THEIRS = SIDES = 0, 1
INNER = (4,), (6,)      # the families inside the tunnels
NO_ENDPOINT = "(none)"
NETEM = {"loss": "loss 20%", "reordering": "delay 200ms reorder 25%",
         "duplication": "duplicate 20%"}
HARD_PINGS = 40         # on a cable with faults
PATIENCE = 90           # seconds, until a tunnel works
REKEY_AFTER = 120       # seconds
TALK = 5                # seconds between pings while waiting for a rekey
CABLE = {4: "192.168.9.{}", 6: "fd99::{}"}
LENGTH = {4: "/24", 6: "/64 nodad"}
# For each file: pings sent, answered, answered again, and answered after a later one.
AWK = r"""/ seq=/ {
	sub(/.* seq=/, "")
	if (/DUP/)
		again[FILENAME]++
	else if ($1 + 0 < last[FILENAME])
		late[FILENAME]++
	else
		last[FILENAME] = $1 + 0
}
/ packets transmitted/ {
	print FILENAME, $1, $4, again[FILENAME] + 0, late[FILENAME] + 0
}"""

# The seconds until the first ping was answered, or until the pings ended.
FIRST = r"""BEGIN {
	clock = "/proc/uptime"
	getline <clock
	start = $1
	close(clock)
}
/ seq=/ {
	exit
}
END {
	getline <clock
	print n, $1 - start
}"""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One way to set a tunnel up. The side that does not initiate is configured without an
    endpoint."""

    initiator: int
    underlay: int       # 4 or 6
    psk: bool
    agreed: bool = True     # both sides have the same PSK

    def __str__(self):
        return "-".join((("initiator", "responder")[self.initiator], f"over{self.underlay}",
                         "psk" if self.psk else "nopsk"))


CELLS = tuple(Cell(initiator, underlay, psk)
              for initiator in SIDES for underlay in (4, 6) for psk in (False, True))
STRANGERS = tuple(Cell(initiator, 4, True, False) for initiator in SIDES)
ALL = CELLS + STRANGERS
NUMBERS = range(len(CELLS))


@dataclasses.dataclass
class Host:
    """One end of the cable. start: shell commands that make the interfaces, with software that
    keeps no state from before stop."""

    machine: object     # has run(command, timeout), which returns the output
    tool: str
    start: str
    stop: str
    number: int = 0     # the number of its addresses on the cable,
    families: tuple = (4, 6)    # and their families

    def run(self, command, timeout=60):
        """Runs a shell command in a folder of its own."""
        folder = f"/tmp/matrix.{self.tool}"
        return self.machine.run(f"set -e; umask 077; mkdir -p {folder}; cd {folder}\n{command}",
                                timeout)


def ip_batch(lines):
    """A shell command that runs many commands of ip."""
    return "\n".join([f"{IP} -batch - <<END", *lines, "END"])


class Matrix:
    """forkguard has an interface for each tunnel; the other host has all of them on one
    interface."""

    def __init__(self, ours, theirs):
        self.hosts = ours, theirs
        ours.start += "\n" + ip_batch(f"link add tun{n} type forkguard" for n in range(len(ALL)))
        self._theirs = tunnel.identity()
        self._ours = [tunnel.identity() for _ in ALL]
        self._psks = tunnel.random_key(), tunnel.random_key()
        self._pool = concurrent.futures.ThreadPoolExecutor(len(SIDES))
        self._over = []     # for each tunnel, the family in use on the cable
        self._before = []
        for side, host in enumerate(self.hosts):
            host.number = side + 1

    # Names and setup of tunnels

    @staticmethod
    def _interface(side, n):
        return f"tun{n}" if side == OURS else "tun"

    def _key(self, side, n):
        return (self._ours[n] if side == OURS else self._theirs).public

    def endpoint(self, side, n):
        """The endpoint of a side."""
        address = CABLE[self._over[n]].format(self.hosts[side].number)
        return (f"[{address}]" if self._over[n] == 6 else address) + \
            f":{tunnel.PORT + (n if side == OURS else 0)}"

    def _peer(self, side, n, begins=False):
        """The words for the tool of a side that configure a peer."""
        other = 1 - side
        words = [f"peer {self._key(other, n)}",
                 f"allowed-ips 10.9.{n}.{other + 1}/32,fd09:{n}::{other + 1}/128"]
        if ALL[n].psk:
            words.append(f"preshared-key psk{0 if ALL[n].agreed else side}")
        if begins or ALL[n].initiator == side:
            words.append(f"endpoint {self.endpoint(other, n)}")
        return " ".join(words)

    def _start(self, side):
        host = self.hosts[side]
        peers = [self._peer(side, n) for n in range(len(ALL))]
        interfaces = [(f"tun{n}", tunnel.PORT + n, self._ours[n].private, peer)
                      for n, peer in enumerate(peers)]
        if side == THEIRS:
            interfaces = [("tun", tunnel.PORT, self._theirs.private, " ".join(peers))]
        commands = [host.start] + [f"echo {psk} >psk{n}" for n, psk in enumerate(self._psks)]
        for name, port, private, words in interfaces:
            commands.append(f"echo {private} >key; {host.tool} set {name} private-key key "
                            f"listen-port {port} {words}")
        on = [f"dev {self._interface(side, n)}" for n in range(len(ALL))]
        commands.append(ip_batch(
            [f"address add 10.9.{n}.{side + 1}/24 {on[n]}" for n in range(len(ALL))] +
            [f"address add fd09:{n}::{side + 1}/64 {on[n]} nodad" for n in range(len(ALL))] +
            [f"link set {name} up" for name, *_ in interfaces]))
        host.run("\n".join(commands))

    def start(self):
        """Makes all tunnels."""
        self._over = [cell.underlay for cell in ALL]
        self._both(self._start)

    def anew(self):
        """Makes all tunnels again, without any state from before."""
        self._both(lambda side: self.hosts[side].run(self.hosts[side].stop))
        self.start()

    def _both(self, function):
        """Calls a function for each side, at the same time."""
        return list(self._pool.map(function, SIDES))

    # State of tunnels

    def show(self, side, field, numbers=NUMBERS):
        """A field of some tunnels, as a side shows it."""
        told, name = {}, ""
        for line in self.hosts[side].run(
                f"{self.hosts[side].tool} show all {field}").splitlines():
            # Only the line of the first peer of an interface begins with its name.
            *named, key, value = line.split("\t")
            name = "".join(named) or name
            told[name, key] = value
        return [told[self._interface(side, n), self._key(1 - side, n)] for n in numbers]

    def handshakes(self, numbers=NUMBERS):
        """The times of the latest handshakes, on each side."""
        return [[int(time) for time in self.show(side, "latest-handshakes", numbers)]
                for side in SIDES]

    # Traffic through tunnels

    @staticmethod
    def _target(side, n, family):
        """Words for ping. Each has an address of its own: otherwise it would also get all answers
        to others, for which its buffer is too small."""
        inner = f"10.9.{n}.{{}}" if family == 4 else f"fd09:{n}::{{}}"
        return Matrix._from_to(inner, side + 1, 2 - side)

    @staticmethod
    def _from_to(form, source, target):
        return f"-I {form.format(source)} {form.format(target)}"

    def _pings(self, side, families, numbers=NUMBERS):
        """The targets of a side's pings, by their names in the facts."""
        return {f"{n}.{family}": self._target(side, n, family)
                for n in numbers for family in families}

    @staticmethod
    def _ping(targets, options, folder):
        return [f"mkdir -p {folder}"] + [f"ping {options} {address} >{folder}/{name} 2>&1 &"
                                         for name, address in targets.items()]

    def _told(self, side, commands, targets, folder):
        found = {name: [0] * 4 for name in targets}
        for line in self.hosts[side].run("\n".join(
                commands + [f"cd {folder}; awk '{AWK}' " + " ".join(targets)])).splitlines():
            name, *numbers = line.split()
            found[name] = [int(number) for number in numbers]
        return found

    def ping(self, side, families=None, numbers=NUMBERS, options="-c 5 -i 0.1 -W 20", cable=()):
        """The results of pings from a side through tunnels, and outside them to the other end of
        the cable, by number and family; see AWK."""
        targets = self._pings(side, families or INNER[side], numbers)
        targets |= {f"cable.{family}": self._from_to(
            CABLE[family], *(self.hosts[end].number for end in (side, 1 - side)))
                    for family in cable}
        return self._told(side, self._ping(targets, options, "pings") + ["wait"], targets, "pings")

    def talk(self, seconds):
        """Starts pings in both directions, one every `seconds`, until hush()."""
        self._both(lambda side: self.hosts[side].run("\n".join(self._ping(
            self._pings(side, INNER[side]), f"-i {seconds} -W 20", "talk"))))

    def hush(self):
        """Ends these pings and returns their results."""
        # In user-mode Linux, the first killall ends the pings of both sides.
        self._both(lambda side: self.hosts[side].run("killall -INT ping || :; sleep 1"))
        return self._both(lambda side: self._told(
            side, [], self._pings(side, INNER[side]), "talk"))

    def _until(self, side, numbers):
        """Pings from a side through some tunnels until each has answered; returns the seconds that
        took."""
        told = self.hosts[side].run("\n".join(
            [f"ping -c {5 * PATIENCE} -i 0.2 -W 1 {self._target(side, n, 4)} 2>&1 | "
             f"awk -v n={n} '{FIRST}' &" for n in numbers] + ["wait"]), 2 * PATIENCE)
        return {int(n): float(seconds) for n, seconds in map(str.split, told.splitlines())}

    def begin(self):
        """The initiator of each tunnel starts it again; returns the seconds until it works."""
        ours, theirs = self._both(lambda side: self._until(
            side, [n for n in NUMBERS if CELLS[n].initiator == side]))
        seconds = ours | theirs
        return [seconds[n] for n in NUMBERS]

    # Phases

    def handshake(self):
        """The first handshakes. Those of tunnels with two different preshared keys must fail."""
        both, everybody = (4, 6), range(len(ALL))
        known = [self.show(side, "endpoints") for side in SIDES]
        rounds = [self._both(lambda side: self.ping(side, both, [
            n for n in NUMBERS if (CELLS[n].initiator == side) == first]))
                  for first in (True, False)]
        rounds.append(self._both(lambda side: self.ping(
            side, both, everybody[len(CELLS):], "-c 2 -i 0.1 -W 3")))
        return {"known": known, "learnt": [self.show(side, "endpoints") for side in SIDES],
                "endpoints": [[self.endpoint(1 - side, n) for n in NUMBERS] for side in SIDES],
                "pings": [first | second | strangers for first, second, strangers in zip(*rounds)],
                "handshakes": self.handshakes(everybody)}

    def send_strangers_away(self):
        """Removes the peers without a common PSK, which would keep beginning handshakes."""
        self._both(lambda side: self.hosts[side].run("\n".join(
            f"{self.hosts[side].tool} set {self._interface(side, n)} peer "
            f"{self._key(1 - side, n)} remove" for n in range(len(CELLS), len(ALL)))))

    def begin_talk(self):
        """Starts the traffic that rekey() evaluates."""
        self._before = self.handshakes()
        self.talk(TALK)

    def rekeyed(self):
        """Does every tunnel have new keys?"""
        return all(new > old for olds, news in zip(self._before, self.handshakes())
                   for old, new in zip(olds, news))

    def rekey(self):
        """The result of at least two minutes of traffic."""
        now = self._both(lambda side: int(self.hosts[side].run("date +%s")))
        return {"before": self._before, "after": self.handshakes(), "now": now,
                "pings": self.hush()}

    def lose_keys(self, side):
        """One side forgets its sessions and makes new ones: forkguard by a reset, the other by
        removing and adding its peers."""
        before = self.handshakes()
        tool = self.hosts[side].tool
        if side == OURS:
            commands = [f"{tool} reset tun{n}" for n in NUMBERS]
        else:
            commands = [f"{tool} set tun " + " ".join(
                f"peer {self._key(OURS, n)} remove" for n in NUMBERS),
                        f"{tool} set tun " + " ".join(
                            self._peer(side, n, begins=True) for n in NUMBERS)]
        self.hosts[side].run("\n".join(["sleep 1.1"] + commands))
        seconds = self._until(side, NUMBERS)
        return {"seconds": [seconds[n] for n in NUMBERS], "pings": self._both(self.ping),
                "before": before, "after": self.handshakes()}

    def roaming(self, side):
        """One side moves under traffic: to other addresses, to a network that has only one family,
        to one that has only the other, and back."""
        self.anew()
        self.begin()
        self.talk(0.5)
        number = self.hosts[side].number
        moves = [self._move(side, *where) for where in (
            (number + 10, (4, 6)), (number + 10, (6,)), (number + 10, (4,)), (number, (4, 6)))]
        return {"moves": moves, "pings": self.hush()}

    def _move(self, side, number, families):
        """The endpoints known to the other side after a move, and the results on both sides."""
        host, other = self.hosts[side], 1 - side
        commands = [ip_batch([
            f"address {word} {CABLE[family].format(host_number)}{LENGTH[family]} dev eth0"
            for word, host_number, has in (("del", host.number, host.families),
                                           ("add", number, families)) for family in has])]
        host.number, host.families = number, families
        for n in NUMBERS:
            if self._over[n] not in families:
                self._over[n] = families[0]
                commands.append(f"{host.tool} set {self._interface(side, n)} peer "
                                f"{self._key(other, n)} endpoint {self.endpoint(other, n)}")
        host.run("\n".join(commands))
        seconds = self._until(side, NUMBERS)
        pings = self.ping(other)
        return {"seconds": [seconds[n] for n in NUMBERS],
                "expected": [self.endpoint(side, n) for n in NUMBERS],
                "learnt": self.show(other, "endpoints"), "pings": [pings]}

    def restart(self, side):
        """One side starts without any state; the initiator of each tunnel then starts it again."""
        self.hosts[side].run(self.hosts[side].stop)
        self._start(side)
        return {"seconds": self.begin(), "pings": self._both(self.ping)}

    def hardship(self, netem):
        """New tunnels, and traffic, on a cable that loses, reorders and duplicates packets."""
        self._both(lambda side: self.hosts[side].run(
            f"{TC} qdisc replace dev eth0 root netem {netem}"))
        self.anew()
        seconds = self.begin()
        wait = 3 if "loss" in netem else 20
        pings = self._both(lambda side: self.ping(
            side, options=f"-c {HARD_PINGS} -i 0.1 -W {wait}", cable=(4, 6)))
        self._both(lambda side: self.hosts[side].run(f"{TC} qdisc del dev eth0 root"))
        return {"seconds": seconds, "pings": pings}

    def others(self):
        """All phases except the first handshake and the rekey, which takes time."""
        found = {}
        for side, name in enumerate(("ours", "theirs")):
            found[f"lost keys, {name}"] = self.lose_keys(side)
            found[f"restart, {name}"] = self.restart(side)
            found[f"roaming, {name}"] = self.roaming(side)
        for name, netem in NETEM.items():
            found[name] = self.hardship(netem)
        return found


class Namespace:
    """A host in user-mode Linux."""

    def __init__(self, name):
        self.name = name

    def run(self, command, _):
        """Runs a shell command there. The program that started user-mode Linux limits the time."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, "busybox", "sh", "-c", command],
            stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout


def main(system, module):
    """In user-mode Linux, where sleeping takes no time."""
    subprocess.run(["ip", "-batch", "-"], check=True, text=True, input="""\
netns add ours
netns add theirs
link add eth0 netns ours type veth peer name eth0 netns theirs
""")
    start, stop = {
        "wireguard": (f"{IP} link add tun type wireguard", f"{IP} link del tun"),
        "wireguard-go": ("wireguard-go tun",
                         f"killall wireguard-go; while {IP} link show tun; do sleep 0.1; done"),
    }[system]
    ours = Host(Namespace("ours"), "fwg", f"[ -e /sys/module/forkguard ] || insmod {module}",
                "rmmod forkguard")
    theirs = Host(Namespace("theirs"), "wg", start, stop)
    for number, host in enumerate((ours, theirs), 1):
        host.run(tunnel.cable_up(number))
    matrix = Matrix(ours, theirs)
    matrix.start()
    facts = {"handshake": matrix.handshake()}
    matrix.begin_talk()
    time.sleep(2 * REKEY_AFTER + 20)
    facts["rekey"] = matrix.rekey()
    json.dump(facts | matrix.others(), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
