# SPDX-License-Identifier: GPL-2.0
"""What a tunnel does on its own over minutes, compared with stock WireGuard: the timers of the
WireGuard whitepaper, section 6.

One script in user-mode Linux, where sleeping takes no time. In each situation there are two
tunnels, one with forkguard at one end and one with stock WireGuard only. All run at the same time,
and their messages are compared by type, length and time. The other ends are stock WireGuard.
"""

import dataclasses
import json

import pytest
import uml
from messages import INITIATION, KEEPALIVE_LEN, RESPONSE, TRANSPORT

JITTER = 1  # a third of a second, and the delay of the kernel's timers that are set far ahead


@dataclasses.dataclass(frozen=True)
class Situation:
    """The times at which each end sends packets, in seconds from the start."""

    ours: tuple = ()
    theirs: tuple = ()
    persistent: int = 0  # keepalive interval of ours
    gone: float = 0  # when the other end goes down; negative: before the start
    slack: float = JITTER  # seconds by which two tunnels may differ


EACH_SECOND = tuple(range(1, 230))
SITUATIONS = {
    "nobody is there": Situation(ours=(0,), gone=-1),
    "something was received": Situation(ours=(0,), theirs=(3, 4)),
    "nothing comes back": Situation(ours=(0, 20), gone=15),
    "the way is kept open": Situation(persistent=7),
    "initiator sends": Situation(ours=(0, *EACH_SECOND), theirs=EACH_SECOND),
    "responder sends": Situation(ours=EACH_SECOND, theirs=(0, *EACH_SECOND)),
    # It begins a handshake at the first keepalive that is due after two minutes.
    "initiator receives": Situation(ours=(0,), theirs=EACH_SECOND, slack=11),
    "session of ours is old": Situation(ours=(0, 185)),
    "session of theirs is old": Situation(ours=(185,), theirs=(0,)),
}

SCRIPT = r"""
import json, os, select, socket, subprocess, sys, time
situations = json.loads(os.environ["SITUATIONS"])
def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout
B = ("ip", "netns", "exec", "b")
tunnels = []
links, peer_links = ["link set lo up"], []
for kind in ("forkguard", "wireguard"):
    for name, what in situations.items():
        n = len(tunnels) + 1
        tunnels.append({"kind": kind, "name": name, "n": n, "seen": [], **what})
        links += ["link add t%d type %s" % (n, kind), "addr add 10.0.%d.1/24 dev t%d" % (n, n)]
        peer_links += ["link add p%d type wireguard" % n, "addr add 10.0.%d.2/24 dev p%d" % (n, n)]
# To WireGuard, a machine that has just started has had an initiation just now.
time.sleep(10)
run("ip", "-batch", "-", input="\n".join(links))
run(*B, "ip", "-batch", "-", input="\n".join(peer_links))
def key():
    private = run("wg", "genkey")
    return private, run("wg", "pubkey", input=private).strip()
for t in tunnels:
    n, (ours, our_key), (theirs, their_key) = t["n"], key(), key()
    open("ours", "w").write(ours)
    open("theirs", "w").write(theirs)
    run(*B, "wg", "set", "p%d" % n, "private-key", "theirs", "listen-port", str(2000 + n), "peer",
        our_key, "endpoint", "192.168.9.1:%d" % (1000 + n), "allowed-ips", "10.0.%d.1/32" % n)
    run("fwg" if t["kind"] == "forkguard" else "wg", "set", "t%d" % n, "private-key", "ours",
        "listen-port", str(1000 + n), "peer", their_key, "endpoint", "192.168.9.2:%d" % (2000 + n),
        "allowed-ips", "10.0.%d.2/32" % n)
def going_down(last, now):
    return ["link set p%d down" % t["n"] for t in tunnels if t["gone"] and last < t["gone"] <= now]
run(*B, "ip", "-batch", "-", input="\n".join("link set p%d up" % t["n"] for t in tunnels
                                              if t["gone"] >= 0))
run("ip", "-batch", "-", input="\n".join("link set t%d up" % t["n"] for t in tunnels))
END = '''
import socket, sys
sockets = {}
for line in sys.stdin:
    n = int(line)
    if n not in sockets:
        sockets[n] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sockets[n].bind(("10.0.%d.2" % n, 7))
    try:
        sockets[n].sendto(b"theirs", ("10.0.%d.1" % n, 7))
    except OSError:
        pass
'''
theirs = subprocess.Popen([*B, "/usr/bin/python3", "-c", END], text=True, stdin=subprocess.PIPE)
ours = {}
for t in tunnels:
    ours[t["n"]] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ours[t["n"]].bind(("10.0.%d.1" % t["n"], 7))
# A sink for the packets that arrive there, so that there is no ICMP error.
sink = subprocess.Popen([*B, "/usr/bin/python3", "-c", '''
import socket, sys, time
held = []
for n in range(1, %d):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(("10.0.%%d.2" %% n, 8))
    held.append(s)
print(flush=True)
time.sleep(10000)
''' % (len(tunnels) + 1)], text=True, stdout=subprocess.PIPE)
sink.stdout.readline()
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
wire.bind(("va", 0))
start = time.monotonic()
plan = sorted({(at, who, t["n"]) for t in tunnels for who in ("ours", "theirs") for at in t[who]})
plan.append((240, "", 0))
if any(t["persistent"] for t in tunnels):
    for t in tunnels:
        if t["persistent"]:
            tool = "fwg" if t["kind"] == "forkguard" else "wg"
            key = run(tool, "show", "t%d" % t["n"], "peers").strip()
            run(tool, "set", "t%d" % t["n"], "peer", key, "persistent-keepalive",
                str(t["persistent"]))
last = 0
for at, who, n in plan:
    while True:
        left = start + at - time.monotonic()
        if left <= 0 or not select.select([wire], [], [], left)[0]:
            break
        data, address = wire.recvfrom(65536)
        if address[1] != 0x0800 or data[9] != 17:
            continue
        ports = int.from_bytes(data[20:22], "big"), int.from_bytes(data[22:24], "big")
        from_us = ports[0] < 2000
        number = ports[0] - 1000 if from_us else ports[1] - 1000
        if 0 < number <= len(tunnels):
            tunnels[number - 1]["seen"].append(
                (round(time.monotonic() - start, 3), from_us, data[28], len(data) - 28))
    down = going_down(last, at)
    if down:
        run(*B, "ip", "-batch", "-", input="\n".join(down))
    last = at
    if who == "ours":
        ours[n].sendto(b"ours", ("10.0.%d.2" % n, 8))
    elif who == "theirs":
        theirs.stdin.write("%d\n" % n)
        theirs.stdin.flush()
for process in (theirs, sink):
    process.kill()
print(json.dumps([(t["kind"], t["name"], t["seen"]) for t in tunnels]))
"""


@pytest.fixture(scope="module", name="seen")
def fixture_seen(tmp_path_factory):
    """The messages on the wire: {situation: {kind: [(time, from us, type, length)]}}."""
    situations = {name: dataclasses.asdict(what) for name, what in SITUATIONS.items()}
    script = f"""\
umask 077
ip netns add b
ip link add va type veth peer name vb netns b
ips 'link set lo up' 'addr add 192.168.9.1/24 dev va' 'link set va up'
ip -n b -batch - <<END
link set lo up
addr add 192.168.9.2/24 dev vb
link set vb up
END
export SITUATIONS='{json.dumps(situations)}'
/usr/bin/python3 - <<'END_OF_SCRIPT'
{SCRIPT}END_OF_SCRIPT
ip netns del b
"""
    result = uml.run_scripts({"timers": script}, tmp_path_factory.mktemp("scripts"),
                             "-a", "time-travel=inf-cpu", seconds=1000)["timers"]
    assert result.status == 0, result
    found = {}
    for kind, name, events in json.loads(result.out):
        found.setdefault(name, {})[kind] = events
    return found


def times(events, kind, from_us=True, length=None):
    return [time for time, ours, seen, size in events
            if (ours, seen) == (from_us, kind) and (length is None or size == length)]


@pytest.mark.parametrize("name", SITUATIONS)
def test_forkguard_does_as_wireguard_does(seen, name):
    ours, stock = seen[name]["forkguard"], seen[name]["wireguard"]
    for from_us in True, False:
        for kind in INITIATION, RESPONSE, TRANSPORT:
            mine, others = times(ours, kind, from_us), times(stock, kind, from_us)
            # At the end, one may be a moment late.
            assert abs(len(mine) - len(others)) <= 1, (kind, mine, others)
            # A delay also delays what follows, so compare intervals.
            mine, others = ([b - a for a, b in zip([0, *some], some)] for some in (mine, others))
            late = [(a, b) for a, b in zip(mine, others) if abs(a - b) > SITUATIONS[name].slack]
            assert not late, (kind, late)


def near(time, expected):
    return expected - 0.05 <= time <= expected + JITTER


@pytest.mark.parametrize("kind", ["forkguard", "wireguard"])
class TestProtocol:
    """The rules of the whitepaper; also for stock, to show that the tests wait long enough."""

    def test_initiation_is_repeated_for_90_seconds(self, seen, kind):
        begun = times(seen["nobody is there"][kind], INITIATION)
        gaps = [b - a for a, b in zip(begun, begun[1:])]
        assert all(near(gap, 5) for gap in gaps)
        # There is jitter, so that not all that have lost the same peer act in step.
        assert len({round(gap, 1) for gap in gaps}) > 1
        assert 90 <= begun[-1] <= 90 + 10 + 20 * JITTER and len(begun) >= 17

    def test_who_was_told_something_says_that_he_is_there(self, seen, kind):
        events = seen["something was received"][kind]
        kept = times(events, TRANSPORT, length=KEEPALIVE_LEN)
        # One, ten seconds after the first packet, for all packets until then.
        assert len(kept) == 1 and near(kept[0], 13)

    def test_who_hears_nothing_begins_a_handshake(self, seen, kind):
        begun = times(seen["nothing comes back"][kind], INITIATION)
        assert near(begun[0], 0) and near(begun[1], 20 + 15)

    def test_the_way_is_kept_open(self, seen, kind):
        kept = times(seen["the way is kept open"][kind], TRANSPORT, length=KEEPALIVE_LEN)
        gaps = [b - a for a, b in zip(kept, kept[1:])]
        assert len(gaps) > 25 and max(gaps) <= 7 + JITTER
        # One is shorter: the keepalive that confirms the new session after two minutes.
        assert sum(near(gap, 7) for gap in gaps) >= len(gaps) - 2

    def test_initiator_begins_anew_after_two_minutes(self, seen, kind):
        begun = times(seen["initiator sends"][kind], INITIATION)
        assert len(begun) == 2 and (near(begun[1], 120) or near(begun[1], 121))
        # No packet waited for the handshake.
        data = [at for at in times(seen["initiator sends"][kind], TRANSPORT)
                if at < EACH_SECOND[-1]]
        assert max(b - a for a, b in zip(data, data[1:])) < 1.5

    def test_responder_does_not(self, seen, kind):
        events = seen["responder sends"][kind]
        assert not times(events, INITIATION) and len(times(events, INITIATION, False)) == 2

    def test_old_session_is_not_sent_with(self, seen, kind):
        for name in "session of ours is old", "session of theirs is old":
            late = [event for event in seen[name][kind] if event[0] > 184 and event[1]]
            assert late[0][2] == INITIATION, late
            assert TRANSPORT in [event[2] for event in late]
