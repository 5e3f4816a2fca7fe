# SPDX-License-Identifier: GPL-2.0
"""Handshakes between two ends that both run forkguard cross: no packet is lost, and they settle.

No other implementation lets both handshakes finish, so this needs forkguard at both ends. The wire
delays each message by half a second, more than the jitter of recovery. Both ends are reset at once,
like two guests that are forked together.
"""

import pytest
import uml
from uml import of, seen

SCRIPT = r"""
import heapq
DELAY, TALK, PERIOD = 0.5, 620, 0.2
w = Wire()
sh('''umask 077
    fwg genkey >ka; fwg genkey >kb
    ips '' 'link set lo up' 'link add fwg0 type forkguard'
    ips b 'link set lo up' 'link add fwg0 type forkguard'
    fwg set fwg0 private-key ka listen-port 1000 peer $(fwg pubkey <kb) \
        endpoint 192.168.9.2:1000 allowed-ips 10.0.0.2/32
    ip netns exec b fwg set fwg0 private-key kb listen-port 1000 peer $(fwg pubkey <ka) \
        endpoint 192.168.9.1:1000 allowed-ips 10.0.0.1/32
    ips b 'addr add 10.0.0.2/24 dev fwg0' 'link set fwg0 up'
    ips '' 'addr add 10.0.0.1/24 dev fwg0' 'link set fwg0 up'
''')
socks = {"a": udp("10.0.0.1"), "b": udp("10.0.0.2", "b")}
to = {"a": ("10.0.0.2", 77), "b": ("10.0.0.1", 77)}
flying, number, initiations, got = [], 0, [], {"a": set(), "b": set()}

def play(seconds, talk):
    # Carries messages, each DELAY late, for a while; both ends send numbers meanwhile.
    global number
    start = now = time.monotonic()
    due = now
    sent = []
    while now < start + seconds:
        if talk and now >= due:
            for side in socks:
                socks[side].sendto(b"%d" % number, to[side])
            sent.append(number)
            number += 1
            due += PERIOD
        wait = min([due if talk else now + 1, start + seconds] + [f[0] for f in flying[:1]]) - now
        ready, _, _ = select.select([*w.ends.values(), *socks.values()], [], [], max(0, wait))
        now = time.monotonic()
        for side, other in ("a", "b"), ("b", "a"):
            if w.ends[side] in ready:
                for p in drain(w.ends[side]):
                    if p.type == INITIATION:
                        initiations.append((now - start, side))
                    heapq.heappush(flying, (now + DELAY, len(p.data), other, p.data))
            while (answer := receive(socks[side])):
                got[side].add(int(answer[0]))
        while flying and flying[0][0] <= now:
            _, _, side, data = heapq.heappop(flying)
            os.write(w.ends[side], data)
    return sent

def reset(namespace=None):
    with inside(namespace):
        return subprocess.Popen(["fwg", "reset", "fwg0"])

play(5, True)
play(2, False)
for process in reset(), reset("b"):
    process.wait()
initiations.clear()
play(5, False)
out["crossed"] = sorted(side for _, side in initiations)
initiations.clear()
sent = play(TALK, True)
play(3, False)
out["lost"] = {side: sorted(set(sent) - got[side]) for side in got}
out["sent"] = len(sent)
out["initiations"] = initiations
"""


@pytest.fixture(scope="module")
def crossing(tmp_path_factory):
    return uml.see({"crossing": SCRIPT}, {}, tmp_path_factory)


@of("crossing")
def test_handshakes_that_cross_lose_nothing(crossing):
    found = seen(crossing["crossing"])
    assert found["crossed"] == ["a", "b"], "the handshakes did not cross"
    assert found["sent"] > 1000
    assert found["lost"] == {"a": [], "b": []}


@of("crossing")
def test_they_settle(crossing):
    """Only one end begins each later handshake, not both."""
    begun = seen(crossing["crossing"])["initiations"]
    # Two rekeys may still cross, but no later handshakes.
    later = [time for time, _ in begun if time > 250]
    assert 2 <= len(later) <= 4, begun
    assert all(b - a > 100 for a, b in zip(later, later[1:])), begun
