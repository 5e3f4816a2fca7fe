# SPDX-License-Identifier: GPL-2.0
"""Forks a hub all of whose peers exist and have sessions, and measures its recovery.

Each peer is an interface of its own, on stock WireGuard, in one other guest.
Keepalives keep the sessions alive; no packets are routed.
"""

import base64
import glob
import os
import subprocess
import time

from . import LabError, endurance, hub, tunnel
from .primitives import clamp, x25519

PATIENCE = 900      # seconds; an emulated machine computes about 500 handshakes a second
LEAVES = "/etc/leaves"
COOKIE, INITIATION = 3, 1


def identity():
    private = clamp(os.urandom(32))
    return tunnel.Identity(*(base64.b64encode(key).decode()
                             for key in (private, x25519(private))))


class LiveHub(hub.Guests):
    """live: how many peers."""

    def __init__(self, kernel, folder, say, live):
        self.leaves = [identity() for _ in range(live)]
        # An interface of stock WireGuard takes about 300 KiB.
        super().__init__(kernel, folder, say, 0, 0, memory=512 + live // 8,
                         peers_memory=256 + live // 2)

    def write_config(self, path):
        with open(path, "w") as file:
            file.write("[Interface]\n"
                       f"PrivateKey = {self.identity.private}\n"
                       f"ListenPort = {tunnel.PORT}\n")
            for leaf in self.leaves:
                file.write(f"[Peer]\nPublicKey = {leaf.public}\n")
        self.size = len(self.leaves)
        os.makedirs(os.path.dirname(path) + "/leaves")
        for number, leaf in enumerate(self.leaves):
            with open(f"{os.path.dirname(path)}/leaves/l{number}", "w") as file:
                file.write("[Interface]\n"
                           f"PrivateKey = {leaf.private}\n"
                           "[Peer]\n"
                           f"PublicKey = {self.identity.public}\n"
                           f"Endpoint = 192.168.9.1:{tunnel.PORT}\n"
                           "PersistentKeepalive = 25\n")

    def configure(self):
        """Makes a session with every peer."""
        self.guest.run(tunnel.cable_up(1) + "modprobe forkguard\n"
                       f"{tunnel.IP} link add tun0 type forkguard\n"
                       f"fwg setconf tun0 {hub.CONFIG}\n"
                       f"{tunnel.IP} link set tun0 up\n", timeout=PATIENCE)
        self.peers.run(
            tunnel.cable_up(2) + "modprobe wireguard\n"
            "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6\n"
            f"(cd {LEAVES} && for leaf in *; do"
            " echo link add $leaf type wireguard; done) |"
            f" {tunnel.IP} -batch -\n"
            f"cd {LEAVES} && for leaf in *; do wg setconf $leaf $leaf; done\n",
            timeout=PATIENCE)
        # In the background, because they send while they come up.
        self.peers.run(
            f"(cd {LEAVES} && for leaf in *; do"
            " echo link set $leaf up; done) |"
            f" {tunnel.IP} -batch - &")
        return self.wait_for_sessions(0)

    def wait_for_sessions(self, since):
        """Seconds until every peer has a session begun since then."""
        begun = self.uptime()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            count = self.matching("latest-handshakes", f"$2 > {since}")
            took = self.uptime() - begun
            if count == self.size:
                return took
            self.say(f"{count} of {self.size} sessions after {took:.0f} s")
            time.sleep(1)
        raise LabError(f"no new sessions with all peers in {PATIENCE} s")

    def sent(self, kind):
        """How many messages of a kind the hub and its clone have sent."""
        return sum(len(subprocess.run(
            ["tcpdump", "-Z", "root", "-nr", path,
             f"ether src {hub.MAC.hex(':')} and udp[8] = {kind}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
        ).stdout.splitlines()) for path in glob.glob(
            os.path.join(self.folder, "hub*.pcap")))


def recover(played):
    """Forks the hub, and waits until the clone has new sessions with all its peers."""
    found = endurance.Findings(played.say)
    played.configure()
    time.sleep(2)   # so that seconds tell new sessions from old ones
    cookies, initiations = played.sent(COOKIE), played.sent(INITIATION)
    begun = endurance.now(played)
    played.fork()
    took = played.wait_for_sessions(begun)
    cookies = played.sent(COOKIE) - cookies
    initiations = played.sent(INITIATION) - initiations
    found.tell(f"a hub with {played.size} live peers, forked: {took:.1f} s until all "
               f"have a new session; {initiations} initiations and {cookies} cookie "
               "replies sent")
    found.expect(not cookies, f"the hub demanded {cookies} cookies: it put itself under load")
    found.judge(played)
    return found
