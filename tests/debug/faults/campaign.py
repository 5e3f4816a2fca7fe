# SPDX-License-Identifier: GPL-2.0
"""Runs in user-mode Linux. In every operation of forkguard, each allocation fails once; in a module
built with calls.h, each call that can fail does.

An operation is repeated with its first, second, third ... allocation failing, until none fails.
After each failure, the configuration must be either as before or as requested, and a repeated
request must succeed; a tunnel must recover on its own. At the end, no memory may be leaked, and no
nonce may be reused. Prints a line for each operation. Arguments: the module, and fwg-audit.
"""

import ctypes
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import inject
import keys
import netlink
from messages import INITIATION, RESPONSE, TRANSPORT
from netlink import attribute, peer
from tunnel import Tunnel

NAME = "fwg1"
CAPTURE = "/tmp/sent.pcap"
KEYS = [bytes([number]) * 31 + b"\x40" for number in range(1, 8)]
PSK = b"p" * 32
CONTROL = 1 << 30  # the number of the key that must be found
INIT_MODULE, DELETE_MODULE = 175, 176
_libc = ctypes.CDLL(None, use_errno=True)


class Campaign:
    """Runs operations with faults, and counts the problems."""

    def __init__(self):
        if inject.Calls.FILE.exists():
            self.here = self.workers = inject.Calls()
        else:
            inject.setup()
            self.here, self.workers = inject.Here(), inject.Workers()
        self.problems = 0

    def run(self, name, operation, workers=False):
        """Repeats an operation until no fault is left. An operation has the methods

        prepare()       the steps before, without faults
        act()           the steps with a fault
        check(error)    returns the state afterwards in a word, "bad..." if it is wrong
        """
        injector = self.workers if workers else self.here
        words = {}
        number, failed = 0, True
        while failed:
            number += 1
            operation.number = number
            operation.prepare()
            error = None
            injector.arm(number)
            try:
                operation.act()
            except OSError as caught:
                error = caught
            failed = injector.disarm()
            word = operation.check(error)
            if not failed and error:
                word = f"bad: {error} without a fault"
            words[word] = words.get(word, 0) + failed
            if word.startswith("bad"):
                self.problems += 1
                print(f"{name}, fault {number}: {word}", flush=True)
        told = ", ".join(f"{word}: {count}" for word, count in sorted(words.items()) if count)
        # Not every operation has a call in the module that can fail.
        good = number > 1 or isinstance(injector, inject.Calls)
        good &= not any(word.startswith("bad") for word in words)
        print(f"{'ok' if good else 'not ok'}: {name}: {number - 1} faults; {told}", flush=True)
        self.problems += number == 1 and not good
        return number - 1

    def verdict(self, name, good, told):
        """Prints and counts the result of a check at the end."""
        self.problems += not good
        print(f"{'ok' if good else 'not ok'}: {name}: {told}", flush=True)


def leaks():
    """The leaks that kmemleak finds: objects that are older than 5 s, and in two scans."""
    file = inject.DEBUG / "kmemleak"
    time.sleep(6)
    for _ in range(2):
        file.write_text("scan")
    return file.read_text().strip()


def exists(name):
    """Is there such an interface?"""
    return name in (name for _, name in socket.if_nameindex())


def is_up(name):
    """Is an interface up?"""
    return int(Path(f"/sys/class/net/{name}/flags").read_text(), 16) & netlink.UP


class Operation:
    """The base of operations: prepare() creates a new interface each time."""

    family, route = None, None
    up = False
    first = [attribute(netlink.PRIVATE_KEY, KEYS[0]), attribute(netlink.PORT, ("=H", 2000)),
             attribute(netlink.PEERS, [
                 peer(KEYS[1], "10.1.0.0/16", "fd01::/64", psk=PSK, endpoint=("127.0.0.1", 9)),
                 peer(KEYS[2], "10.2.0.0/16", "10.2.1.0/24", keepalive=0)])]

    def prepare(self):
        """Makes the interface."""
        if exists(NAME):
            self.route.delete_link(NAME)
        self.route.add_link(NAME)
        self.family.set(NAME, *self.first)
        if self.up:
            self.route.set_up(NAME)

    def act(self):
        """Subclasses override this."""

    def check(self, error):
        """Subclasses override this."""


class Set(Operation):
    """Configures an interface with one message."""

    def __init__(self, *change, first=None, up=False):
        self.change, self.up = change, up
        if first is not None:
            self.first = first
        self.prepare()
        self.before = self.family.dump(NAME)
        self.act()
        self.after = self.family.dump(NAME)
        assert self.before != self.after
        # A message is applied whole, unless a new peer can't be added to its table. Only calls.h
        # makes that fail, because it needs no allocation.
        self.partly = len(self.after[1]) if inject.Calls.FILE.exists() else 0

    def act(self):
        self.family.set(NAME, *self.change)

    def check(self, error):
        state = self.family.dump(NAME)
        if state == self.after:
            return "as asked"
        if not error:
            return "bad: no error, but not as asked"
        word = "as before"
        if state != self.before:
            word = "part of it" if self.partly else "bad: part of it"
            self.partly -= 1
        self.act()
        return word if self.family.dump(NAME) == self.after else "bad: can't be asked for again"


class Secrets(Operation):
    """Gives an interface keys, and deletes it."""

    first = []
    up = True
    number = 0

    def __init__(self):
        self.refused = []   # numbers of keys that were sent and refused

    def act(self):
        keys.give(self.family, NAME, self.number, *(
            peer(key, f"10.{i}.0.0/16", psk=keys.HOLE, endpoint=("127.0.0.1", 9), keepalive=25)
            for i, key in enumerate(KEYS[1:4])))

    def check(self, error):
        told = error
        try:
            told = told or list(self.family.answers())
        except OSError as caught:
            told = caught
        if isinstance(told, OSError) and not error:
            self.refused.append(self.number)
        self.family.__init__("forkguard")
        self.route.delete_link(NAME)
        return "refused" if isinstance(told, OSError) else "as asked"


class Make(Operation):
    """Creates an interface."""

    def prepare(self):
        if exists(NAME):
            self.route.delete_link(NAME)

    def act(self):
        self.route.add_link(NAME)

    def check(self, error):
        if exists(NAME):
            self.route.delete_link(NAME)
            return "as asked"
        if not error:
            return "bad: no error, and no interface"
        self.act()
        return "as before"


class Delete(Operation):
    """Deletes an interface."""

    up = True

    def act(self):
        self.route.delete_link(NAME)

    def check(self, error):
        if not exists(NAME):
            return "as asked"
        return "as before" if error and is_up(NAME) else "bad: neither there nor gone"


class Up(Operation):
    """Takes an interface up or down."""

    def __init__(self, wanted):
        self.wanted, self.up = wanted, not wanted

    def act(self):
        self.route.set_up(NAME, self.wanted)

    def check(self, error):
        word = "as asked"
        if bool(is_up(NAME)) != self.wanted:
            if not error:
                return "bad: no error, but not as asked"
            word = "as before"
            self.act()
        # Port 2000 is bound if and only if the interface is up.
        bound = ":07D0 " in Path("/proc/net/udp").read_text()
        return word if bound == self.wanted else "bad: sockets"


class Dump(Operation):
    """A dump of more than one message."""

    first = [attribute(netlink.PRIVATE_KEY, KEYS[0]), attribute(netlink.PEERS, [
        peer(bytes([number]) * 31 + b"\x41", f"10.{number}.0.0/16", f"fd00:{number:x}::/64",
             psk=PSK) for number in range(120)])]

    def __init__(self):
        super().prepare()
        self.wanted = self.family.dump(NAME)
        self.seen = None

    def prepare(self):
        self.seen = None

    def act(self):
        self.seen = self.family.dump(NAME)

    def check(self, error):
        # The rest of a failed dump must not answer the next request.
        self.family.__init__("forkguard")
        if self.seen not in (None, self.wanted):
            return "bad: told something else"
        return "told" if self.seen else "refused"


class Reset(Operation):
    """A forced reset, with a listener for its event."""

    def __init__(self, key=None):
        self.key = key
        super().prepare()
        self.listener = netlink.Netlink(netlink.GENERIC)

    def prepare(self):
        pass

    def act(self):
        self.family.reset(NAME, self.key)
        self.family.generation()

    def check(self, error):
        return "refused" if error else "done"


class Load(Operation):
    """Loads the module."""

    image = b""

    def prepare(self):
        if Path("/sys/module/forkguard").exists():
            unload()

    def act(self):
        parameters = b"fail_nth=%d" % inject.Calls.number if inject.Calls.number else b""
        if _libc.syscall(INIT_MODULE, self.image, len(self.image), parameters):
            raise OSError(ctypes.get_errno(), "init_module")

    def check(self, error):
        loaded = Path("/sys/module/forkguard").exists()
        if loaded == bool(error):
            return f"bad: {'loaded' if loaded else 'not loaded'}, and {error or 'no error'}"
        if error:
            self.act()
        return "as asked" if loaded else "as before"


def unload():
    """Unloads the module."""
    if _libc.syscall(DELETE_MODULE, b"forkguard", os.O_NONBLOCK):
        raise OSError(ctypes.get_errno(), "delete_module")


class Talk(Operation):
    """Something happens in a working tunnel. Afterwards it must work, at once or soon."""

    def __init__(self, tunnel):
        self.tunnel = tunnel
        self.packet = None

    def prepare(self):
        self.tunnel.settle()

    def check(self, error):
        return "works" if self.tunnel.works() else "bad: the tunnel is dead"


class Send(Talk):
    """Seals and sends packets, or has them wait for a session."""

    def __init__(self, tunnel, size=100, segment=0, session=True):
        super().__init__(tunnel)
        self.size, self.segment, self.session = size, segment, session

    def prepare(self):
        assert self.tunnel.works()
        if not self.session:
            self.tunnel.ours.family.reset("fwg0")

    def act(self):
        self.tunnel.ours.send(os.urandom(self.size), self.segment)


class Receive(Talk):
    """Receives a packet."""

    def __init__(self, tunnel, size=100):
        super().__init__(tunnel)
        self.size = size

    def prepare(self):
        assert self.tunnel.works()
        self.tunnel.stock.send(os.urandom(self.size))
        self.packet = self.tunnel.wait(self.tunnel.stock, TRANSPORT)

    def act(self):
        self.tunnel.ours.deliver(self.packet)


class Initiate(Talk):
    """Begins a handshake, after a reset."""

    def prepare(self):
        assert self.tunnel.works()
        self.tunnel.settle(1)
        self.tunnel.ours.family.reset("fwg0")

    def act(self):
        self.packet = self.tunnel.wait(self.tunnel.ours, INITIATION, 2)

    def check(self, error):
        if self.packet:
            self.tunnel.stock.deliver(self.packet)
        return super().check(error)


class Finish(Talk):
    """Finishes a handshake: receives the response, and lets the workers process it."""

    def prepare(self):
        assert self.tunnel.works()
        self.tunnel.settle(1)
        self.tunnel.ours.family.reset("fwg0")
        self.packet = self.tunnel.wait(self.tunnel.stock, RESPONSE)
        assert self.packet

    def act(self):
        self.tunnel.ours.deliver(self.packet)
        self.tunnel.settle()


class Respond(Talk):
    """Answers a handshake that the other end has begun."""

    def prepare(self):
        assert self.tunnel.works()
        self.tunnel.settle(6)
        stock, ours = self.tunnel.stock, self.tunnel.ours
        for change in (netlink.peer(ours.public, flags=netlink.REMOVE_ME), stock.peer(ours)):
            stock.family.set("wg0", attribute(netlink.PEERS, [change]))
        stock.send(b"hello")
        self.packet = self.tunnel.wait(stock, INITIATION)
        assert self.packet

    def act(self):
        self.tunnel.ours.deliver(self.packet)
        self.tunnel.settle()


def main():
    """Runs all operations; returns the number of problems."""
    module, auditor = sys.argv[1:]
    # Read now, without faults.
    Load.image = Path(module).read_bytes()
    Operation.family, Operation.route = netlink.Family("forkguard"), netlink.Route()
    campaign = Campaign()
    peers = attribute(netlink.PEERS, [
        peer(KEYS[3], "10.3.0.0/16", "fd03::/64", psk=PSK, endpoint=("127.0.0.1", 9), keepalive=25),
        peer(KEYS[4], "10.4.0.0/16", "10.4.1.0/24", "10.4.2.0/24")])
    instead = attribute(netlink.FLAGS, ("=I", netlink.REPLACE_PEERS))
    campaign.run("make an interface", Make())
    campaign.run("delete it", Delete())
    campaign.run("take it up", Up(True))
    campaign.run("take it down", Up(False))
    campaign.run("configure", Set(*Operation.first, first=[]))
    campaign.run("configure while up", Set(*Operation.first, first=[], up=True))
    campaign.run("add peers", Set(peers))
    campaign.run("add peers while up", Set(peers, up=True))
    campaign.run("other peers instead", Set(instead, peers, up=True))
    campaign.run("move allowed IPs", Set(attribute(netlink.PEERS, [
        peer(KEYS[2], "10.1.0.0/16", "10.9.0.0/16", flags=netlink.REPLACE_IPS)])))
    campaign.run("remove a peer", Set(attribute(netlink.PEERS, [
        peer(KEYS[1], flags=netlink.REMOVE_ME)]), up=True))
    campaign.run("another port", Set(attribute(netlink.PORT, ("=H", 2001)), up=True))
    campaign.run("another key", Set(attribute(netlink.PRIVATE_KEY, KEYS[5]), up=True))
    campaign.run("dump", Dump())
    secret = Secrets()
    count = campaign.run("keys", secret)
    if os.path.exists("/dev/mem"):
        left = keys.found()
        # Generic netlink does not wipe messages. If the first allocation after sending fails, that
        # of the attributes, the module never gets the message, so its keys stay in memory.
        campaign.verdict("no key left", left <= set(secret.refused[:1]),
                         f"left: {sorted(left)} of {count}")
        secret.number = CONTROL
        secret.prepare()
        secret.act()
        campaign.verdict("keys in use are found", CONTROL in keys.found(), "")
        secret.check(None)
    campaign.run("reset", Reset())
    campaign.run("reset one peer", Reset(KEYS[1]))
    Operation.route.delete_link(NAME)

    tunnel = Tunnel(CAPTURE)
    assert tunnel.works()
    campaign.run("send", Send(tunnel))
    campaign.run("send segments", Send(tunnel, 4000, 1000))
    campaign.run("send without a session", Send(tunnel, session=False))
    campaign.run("receive", Receive(tunnel))
    campaign.run("receive much", Receive(tunnel, 1300))
    campaign.run("initiate", Initiate(tunnel), workers=True)
    campaign.run("finish: the packet", Finish(tunnel))
    campaign.run("finish: the worker", Finish(tunnel), workers=True)
    campaign.run("respond: the packet", Respond(tunnel))
    campaign.run("respond: the worker", Respond(tunnel), workers=True)
    Operation.route.delete_link("fwg0")

    Operation.family.socket.close()
    campaign.run("load the module", Load())
    unload()
    audit = subprocess.run([auditor, CAPTURE], capture_output=True, text=True, check=False)
    told = (audit.stdout.strip() or audit.stderr).splitlines()[-1]
    campaign.verdict("no nonce reused", audit.returncode == 0, told)
    if (inject.DEBUG / "kmemleak").exists():
        found = leaks()
        campaign.verdict("no leak", not found, found)
    return campaign.problems


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
