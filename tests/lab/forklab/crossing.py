# SPDX-License-Identifier: GPL-2.0
"""Two guests on forkguard whose handshakes cross: no packet is lost, and afterwards
only one of them begins handshakes.

Both ends are reset at once, and the cable delays messages by more than the jitter of
recovery. So each end begins before it hears from the other.
tests/userspace/test_crossing.py plays the same without waiting.
"""

import concurrent.futures
import json

from . import audit, endurance, kit, pcap, tunnel
from .guest import Cable, Guest, Machine, all_stopped, splats

DELAY = 500         # ms, each way
RATE = 20           # packets/s each way
SECONDS = 140       # a rekey is due after 120
SILENCE = 10
PORT = 7779


class Pair:
    def __init__(self, kernel, folder):
        cable = Cable()
        self.folder = folder
        self.ends = [tunnel.End("forkguard", number, tunnel.identity())
                     for number in (1, 2)]
        self.guests = [
            Guest(f"end{number}", Machine(kit.load(kernel, "forkguard"), mac=number),
                  [cable.plug(number - 1)], folder) for number in (1, 2)]
        for guest in self.guests:
            guest.wait_ready()
        for guest, end, other in zip(self.guests, self.ends, self.ends[::-1]):
            guest.run(tunnel.cable_up(end.number) +
                      f"modprobe sch_netem\n/sbin/tc qdisc add dev eth0 root netem delay {DELAY}ms")
            guest.run(end.bring_up(other, other.endpoint()))
        self.guests[0].run(f"ping -c 1 -W 20 {self.ends[1].v4}")

    def both(self, command, timeout=60):
        """Runs a command at each end, at the same time; returns their outputs."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            return list(pool.map(
                lambda pair: pair[0].run(command(*pair[1:]), timeout),
                zip(self.guests, self.ends, self.ends[::-1])))

    def initiations(self):
        """How many initiations each end has sent."""
        return [sum(m.sent and m.kind == pcap.INITIATION
                    for m in pcap.Reader(guest.captures[0]).messages())
                for guest in self.guests]

    def judge(self):
        with all_stopped(self.folder):
            verdict = audit.judge([guest.captures[0] for guest in self.guests])
        return verdict, splats(self.folder)


def cross(kernel, folder, say):
    found = endurance.Findings(say)
    pair = Pair(kernel, folder)
    before = pair.initiations()
    pair.both(lambda end, other: f"fwg reset {end.interface}; sleep 4")
    crossed = [now - then for now, then in zip(pair.initiations(), before)]
    found.expect(crossed == [1, 1], f"handshakes did not cross: {crossed} initiations")

    count = RATE * SECONDS
    before = pair.initiations()
    streams = pair.both(
        lambda end, other:
        f"numbered receive {PORT} {count} {SILENCE} >/tmp/numbered &\n"
        f"sleep 1; numbered send {other.v4} {PORT} {count} {RATE}\n"
        "while pidof numbered >/dev/null; do sleep 0.1; done; cat /tmp/numbered",
        timeout=3 * SECONDS)
    streams = [json.loads(text) for text in streams]
    rekeys = [now - then for now, then in zip(pair.initiations(), before)]
    found.tell(f"two guests whose handshakes crossed: {sum(s['received'] for s in streams)} "
               f"packets received, {sum(len(s['lost']) for s in streams)} lost, "
               f"{sum(rekeys)} initiations for the rekey that followed")
    found.expect(all(s["received"] == count and not s["lost"] for s in streams),
                 f"lost: {[s['lost'] for s in streams]}")
    found.expect(sorted(rekeys) == [0, 1], f"both ends rekey: {rekeys}")
    found.judge(pair)
    return found
