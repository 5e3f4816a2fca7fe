# SPDX-License-Identifier: GPL-2.0
"""Stress for a hub: thousands of forced resets, and resets with thousands of
peers."""

import json
import time

from . import LabError, tunnel
from .hub import RECOVERY, idle_address

STREAM_RATE = 50    # packets/s of the numbered stream
WAITING = 100       # packets that wait for a session; the bound is 128
BURST = 250         # resets
DUMPS = 5
QUIET = 13          # seconds; KEEPALIVE_TIMEOUT is 10
LEAK = 16           # bytes a reset: less can't be distinguished from noise


class Findings:
    """The measurements of a scene, and its failures."""

    def __init__(self, say):
        self.lines = []
        self.faults = []
        self.pace = None    # resets a second
        self._say = say

    def tell(self, line):
        self._say(line)
        self.lines.append(line)

    def expect(self, condition, fault):
        if not condition:
            self.faults.append(fault)

    def judge(self, hub):
        verdict, complaints = hub.judge()
        self.tell(f"{verdict.judged} messages judged, "
                  f"{verdict.reused} nonces reused")
        self.expect(not verdict.reused,
                    f"{verdict.reused} nonces reused: {verdict.reuses}")
        self.expect(verdict.judged > 1000, "too little to judge")
        self.faults += complaints


def resets(hub, seconds, rate=1000, rounds=1):
    """Forced resets under load. Each round has three phases: the interface is
    reset so often that no session is made; all peers except one are reset in
    turn; the interface is reset in bursts, with sessions in between. After the
    phases, packets wait while the interface is reset."""
    found = Findings(hub.say)
    config = hub.config()
    count = rate * seconds // rounds // 3
    phases = (("interface", {}, None),
              ("all peers but one", {"ends": hub.ends[1:]}, 0),
              (f"interface, {BURST} at once", {"burst": BURST}, 1))
    memory = []
    total = took = 0
    hub.talk()
    for _ in range(rounds):
        for name, how, watched in phases:
            finish = watched is not None and hub.stream(
                watched, STREAM_RATE * count // rate, STREAM_RATE)
            losses = hub.losses()
            done = hub.reset(count, rate, **how)
            recovery = hub.ping()
            sealing, waiting = (now - then for now, then in
                                zip(hub.losses(), losses))
            total += done["sent"]
            took += done["seconds"]
            found.tell(
                f"{name}: {done['sent']} resets, "
                f"{done['sent'] / done['seconds']:.0f}/s, each "
                f"{done['mean_us']:.0f} us, at most {done['longest_us']:.0f} "
                f"us; all peers answer after {recovery:.1f} s; packets lost: "
                f"{sealing} while being sealed, {waiting} of too many waiting")
            found.expect(not done["refused"], f"{done['refused']} refused")
            if not finish:
                continue
            came = finish()
            lost = len(came["lost"])
            found.tell(f"a stream to peer {watched}: {came['received']} came, "
                       f"{lost} did not, {came['late']} late")
            found.expect(lost <= (sealing + waiting if watched else 0),
                         f"{name}: of a stream these are lost: {came['lost']}")
        hub.hush()
        wait_through_resets(hub, found, rate)
        if rounds > 1:
            memory.append(hub.memory())
        hub.talk()
    hub.hush()
    found.pace = total / took
    found.tell(f"{total} resets in {took:.0f} s")
    found.expect(hub.config() == config, "the configuration has changed")
    if rounds > 1:
        growth = (memory[-1] - memory[0]) / (total * (rounds - 1) / rounds)
        found.tell("kernel memory after each round: "
                   f"{', '.join(str(m >> 10) for m in memory)} KiB")
        found.expect(growth < LEAK, f"{growth:.1f} bytes a reset leak")
    found.judge(hub)
    return found


def wait_through_resets(hub, found, rate):
    """R4: packets that wait for a session during resets are sent
    afterwards."""
    hub.peers.run(f"{tunnel.IP} link set eth0 down")
    hub.reset(1)
    finish = hub.stream(0, WAITING, 1000)
    done = hub.reset(2 * rate, rate)
    hub.peers.run(f"{tunnel.IP} link set eth0 up")
    came = finish()
    found.tell(f"{WAITING} packets waited while the interface was reset "
               f"{done['sent']} times: {came['received']} came, "
               f"{came['late']} late, {came['repeated']} twice")
    found.expect(came == {"received": WAITING, "late": 0, "repeated": 0,
                          "lost": []},
                 f"packets that waited: {came}")


def peers(hub, seconds=10):
    """Thousands of peers, some with sessions: resets, dumps during resets for
    a number of seconds, and a fork."""
    found = Findings(hub.say)
    config = hub.config()
    hub.guest.run("fwg monitor >/tmp/events &")
    live = len(hub.ends)
    talking = live // 2
    hub.talk(talking)
    only_live(hub, found, "before the resets")

    # Wait, because keepalives that are due would also begin sessions.
    time.sleep(QUIET)
    begun = now(hub)
    done = hub.reset(1)
    took = new_sessions(hub, begun)
    found.tell(f"reset of {hub.size} peers, {live} with a session: "
               f"{done['longest_us'] / 1000:.1f} ms until all is wiped, "
               f"{took:.1f} s until all {live} have a new session, "
               f"{live - talking} of them without traffic")
    only_live(hub, found, "after the reset")
    wiped = last_event(hub)
    found.expect(f"cause forced, peers {live}," in wiped, f"event: {wiped}")

    hub.guest.run(f"resets -r 10 -n {10 * seconds} tun0 >/tmp/resets &")
    dumps = [dump(hub) for _ in range(DUMPS)]
    found.expect(len(set(dumps)) == 1 and dumps[0].startswith(
        f"{hub.size + 1} "), f"dumps amid resets differ: {dumps}")
    hub.guest.run("while pidof resets >/dev/null; do sleep 0.1; done")
    during = json.loads(hub.guest.run("cat /tmp/resets"))
    found.tell(f"{DUMPS} dumps alike, amid {during['sent']} resets of "
               f"{during['mean_us'] / 1000:.1f} ms each, at most "
               f"{during['longest_us'] / 1000:.1f} ms")
    hub.ping()

    time.sleep(2)   # so that seconds tell new sessions from old ones
    begun = now(hub)
    hub.fork()
    took = new_sessions(hub, begun)
    found.tell(f"forked: {took:.1f} s until all {live} have a new session")
    only_live(hub, found, "after the fork")
    wiped = last_event(hub)
    found.tell(f"event of the fork: {wiped.partition(': ')[2]}")
    found.expect("forks 1" in wiped and "cause forced" not in wiped,
                 f"event: {wiped}")
    hub.hush()
    found.expect(hub.config() == config, "the configuration has changed")

    # Show that the count would include an initiation to an idle peer.
    hub.guest.run(f"ping -c 1 -W 1 {idle_address(0)}; true")
    found.expect(hub.matching("transfer", "$2 + $3 > 0") == live + 1,
                 "an initiation to an idle peer did not show")
    found.judge(hub)
    return found


def only_live(hub, found, when):
    live = len(hub.ends)
    for field, condition in (("latest-handshakes", "$2 > 0"),
                             ("transfer", "$2 + $3 > 0")):
        count = hub.matching(field, condition)
        found.expect(count == live, f"{when}: {count} peers instead of {live} "
                     f"with {field}")


def now(hub):
    return int(hub.guest.run("date +%s"))


def new_sessions(hub, since):
    """Seconds until all peers that exist have made a session since then."""
    begun = hub.uptime()
    while hub.uptime() < begun + RECOVERY:
        if hub.matching("latest-handshakes",
                        f"$2 >= {since}") == len(hub.ends):
            return hub.uptime() - begun
        time.sleep(0.2)
    raise LabError(f"no new sessions with all peers in {RECOVERY} s")


def last_event(hub):
    return hub.guest.run("tail -n 1 /tmp/events").strip()


def dump(hub):
    """The number of lines of a dump, and a hash of its configuration."""
    return hub.guest.run("fwg show tun0 dump >/tmp/dump; wc -l </tmp/dump; "
                         "cut -f 1-4,8 /tmp/dump | md5sum",
                         timeout=60).replace("\n", " ")
