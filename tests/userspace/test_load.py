# SPDX-License-Identifier: GPL-2.0
"""Floods of handshake messages, with stock WireGuard at the other end. A flooded end, forkguard or
stock, answers only with cookie replies; data continues. Messages with a valid cookie are answered,
at a limited rate.

Two scripts in user-mode Linux: forkguard here, wg0 in the namespace "b", a veth pair between them
that is captured. The observations are returned as JSON. Data during a flood is tested in real time;
for all else, neither sleeping nor computing takes time, so that a whole burst waits at once.
"""

import json

import pytest
import uml

SETUP = """\
umask 077
ip netns add b
ip link add va type veth peer name vb netns b
ips 'link set lo up' 'addr add 192.168.9.1/24 dev va' 'addr add 192.168.9.3/24 dev va' \\
	'addr add fd09::1/64 dev va nodad' 'link set va up' 'link add fwg0 type forkguard'
ip -n b -batch - <<END
addr add 192.168.9.2/24 dev vb
addr add 192.168.9.4/24 dev vb
addr add fd09::2/64 dev vb nodad
addr add fd09::3/64 dev vb nodad
addr add fd09:0:0:1::2/64 dev vb nodad
link set vb up
link add wg0 type wireguard
END
ip route add fd09:0:0:1::/64 dev va
fwg genkey >ka; fwg genkey >kb
export KA=$(fwg pubkey <ka) KB=$(fwg pubkey <kb)
fwg set fwg0 private-key ka listen-port 1000 \\
	peer $KB endpoint 192.168.9.2:1000 allowed-ips 10.0.0.2/32
ip netns exec b wg set wg0 private-key kb listen-port 1000 \\
	peer $KA endpoint 192.168.9.1:1000 allowed-ips 10.0.0.1/32
ips 'addr add 10.0.0.1/24 dev fwg0' 'link set fwg0 up'
ip -n b -batch - <<END
addr add 10.0.0.2/24 dev wg0
link set wg0 up
END
"""

COMMON = r"""
import base64, json, os, select, socket, struct, subprocess, sys, time
from forklab.peer import Handshake, Forgetful
from forklab.primitives import blake2s, x25519, xunseal
SO_RCVBUFFORCE = 33
KEYS = {name: base64.b64decode(os.environ[name]) for name in ("KA", "KB")}
def udp(source):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    found = socket.socket(family, socket.SOCK_DGRAM)
    found.bind((source, 0))
    return found
def with_macs(message, to, cookie=None):
    message += blake2s(message, key=blake2s(b"mac1----", to), size=16)
    return message + (blake2s(message, key=cookie, size=16) if cookie else bytes(16))
def garbage(to):
    "An initiation of nobody's, of which no more than its MAC is right."
    return with_macs(b"\1\0\0\0" + os.urandom(112), to)
def initiation(private, to, index):
    ephemeral = os.urandom(32)
    hs = Handshake(Forgetful(), to)
    hs.mix_ephemeral(x25519(ephemeral))
    hs.mix_dh(ephemeral, to)
    text = hs.seal(x25519(private))
    hs.mix_dh(private, to, static=True)
    now = time.time_ns()
    text += hs.seal(struct.pack(">QI", 0x400000000000000a + now // 10 ** 9, now % 10 ** 9))
    return struct.pack("<II", 1, index) + x25519(ephemeral) + text
def burst(sock, messages, to):
    "Nobody takes any of them before the last one is there."
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    for message in messages:
        sock.sendto(message, (to, 1000))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
def heard(sock, seconds=0.3):
    "All that comes until it is silent."
    found = []
    while select.select([sock], [], [], seconds)[0]:
        found.append(sock.recv(4096))
    return found
def cookie_of(reply, message, giver):
    key = blake2s(b"cookie--", giver)
    return xunseal(key, reply[8:32], reply[32:64], message[-32:-16])
"""

# Bursts of messages, so that there always was one in the last second, and their answers.
FLOOD = COMMON + r"""
source, to, key, seconds, pause, count = sys.argv[1:]
sock = udp(source)
sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
messages = [garbage(KEYS[key]) for _ in range(int(count))]
end = time.monotonic() + float(seconds)
kinds = {}
while time.monotonic() < end:
    burst(sock, messages, to)
    for answer in heard(sock, float(pause)):
        name = "%d of %d bytes" % (answer[0], len(answer))
        kinds[name] = kinds.get(name, 0) + 1
        kinds["authentic"] = kinds.get("authentic", 0) + (
            len(answer) == 64 and kinds[name] % 100 == 1 and any(
                cookie_of(answer, message, KEYS[key]) for message in messages
                if message[4:8] == answer[4:8]))
print(json.dumps(kinds))
"""

HEAD = COMMON + r"""
flood = os.environ["FLOOD"]
B = ("ip", "netns", "exec", "b")
def begin(*words, where=()):
    return subprocess.Popen([*where, *words], text=True, stdout=subprocess.PIPE)
def python(text, *words, where=()):
    return begin("/usr/bin/python3", "-c", text, *words, where=where)
def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
wire.bind(("va", 0))
def exchange():
    "(type, shows a cookie, ours) of each handshake message between the two interfaces."
    found = []
    wire.setblocking(False)
    while True:
        try:
            data, address = wire.recvfrom(65536)
        except BlockingIOError:
            return found
        if (address[1] == 0x0800 and data[9] == 17 and data[20:24] == b"\x03\xe8\x03\xe8" and
                data[28] < 4):
            found.append((data[28], data[28] < 3 and any(data[-16:]), address[2] == 4))
def handshake_of(show, peer):
    return int(run(*show, "latest-handshakes").split()[1])
def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return bool(condition())
out = {}
"""

DATA = HEAD + r"""
def echo(count):
    "How many of COUNT datagrams through the tunnel come back, sent over two seconds."
    here = udp("10.0.0.1")
    came = 0
    for number in range(count):
        here.sendto(b"%d" % number, ("10.0.0.2", 7))
        came += len(heard(here, 2 / count))
    return came + len(heard(here, 2))
mirror = python('''
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.0.0.2", 7))
print(flush=True)
while True:
    s.sendto(*s.recvfrom(4096))
''', where=B)
mirror.stdout.readline()
out["before"] = echo(20)
attack = python(flood, "192.168.9.4", "192.168.9.1", "KA", "5", "0.1", "2000", where=B)
time.sleep(1)
out["meanwhile"] = echo(100)
out["answers"] = json.loads(attack.communicate()[0])
mirror.kill()
print(json.dumps(out))
"""

HANDSHAKES = HEAD + r"""
# forkguard is flooded, and the peer begins a handshake.
attack = python(flood, "192.168.9.4", "192.168.9.1", "KA", "8", "0.8", "600", where=B)
time.sleep(1)
exchange()
run(*B, "wg", "set", "wg0", "peer", os.environ["KA"], "endpoint", "192.168.9.1:1000",
    "allowed-ips", "10.0.0.1/32", "persistent-keepalive", "1")
out["peer came through"] = until(lambda: handshake_of((*B, "wg", "show", "wg0"), "KA"), 7)
out["answers to the flood"] = json.loads(attack.communicate()[0])
out["with the peer"] = exchange()
run(*B, "wg", "set", "wg0", "peer", os.environ["KA"], "persistent-keepalive", "0")

# Stock is flooded, and forkguard begins a handshake.
time.sleep(1.2)
attack = python(flood, "192.168.9.3", "192.168.9.2", "KB", "8", "0.8", "600")
time.sleep(1)
exchange()
began = handshake_of(("fwg", "show", "fwg0"), "KB")
run("fwg", "reset", "fwg0")
out["forkguard came through"] = until(
    lambda: handshake_of(("fwg", "show", "fwg0"), "KB") > began, 7)
out["answers of stock"] = json.loads(attack.communicate()[0])
out["with stock"] = exchange()

# One source with many identities, which shows cookies.
identities = [os.urandom(32) for _ in range(64)]
words = [word for key in identities for word in ("peer", base64.b64encode(x25519(key)).decode())]
run("fwg", "set", "fwg0", *words)
out["answered"] = json.loads(python(os.environ["CLIENTS"], *(key.hex() for key in identities),
                                    where=B).communicate()[0])
print(json.dumps(out))
"""

# Sixteen initiations at once, from one source or two. Prints how many were answered by a response,
# and how many by a cookie.
CLIENTS = COMMON + r"""
identities = [bytes.fromhex(word) for word in sys.argv[1:]]
made = [initiation(key, KEYS["KA"], number) for number, key in enumerate(identities)]
noise = [garbage(KEYS["KA"]) for _ in range(600)]
answered = {}
def ask(sources, to, parts, shows=True):
    flooder = udp(sources[0])
    burst(flooder, noise, to)
    heard(flooder)
    asking = []
    for source in sources:
        sock = udp(source)
        probe = with_macs(parts[0], KEYS["KA"])
        sock.sendto(probe, (to, 1000))
        reply, = heard(sock)
        asking.append((sock, cookie_of(reply, probe, KEYS["KA"]) if shows else None))
    for number, part in enumerate(parts):
        sock, cookie = asking[number % len(sources)]
        sock.sendto(with_macs(part, KEYS["KA"], cookie), (to, 1000))
    kinds = [answer[0] for sock, _ in asking for answer in heard(sock)]
    return kinds.count(2), kinds.count(3)
V4, V6, NET = ["192.168.9.4", "192.168.9.2"], ["fd09::2", "fd09::3"], "fd09:0:0:1::2"
answered["without a cookie"] = ask(V4[:1], "192.168.9.1", made[:16], shows=False)
answered["IPv4"] = ask(V4[:1], "192.168.9.1", made[:16])
answered["two of IPv4"] = ask(V4, "192.168.9.1", made[16:32])
answered["neighbours of IPv6"] = ask(V6, "fd09::1", made[32:48])
answered["two networks of IPv6"] = ask([V6[0], NET], "fd09::1", made[48:])
time.sleep(1.5)
sock = udp("192.168.9.4")
for part in made[6:16]:
    sock.sendto(with_macs(part, KEYS["KA"]), ("192.168.9.1", 1000))
answered["when all is quiet"] = [answer[0] for answer in heard(sock)].count(2)
print(json.dumps(answered))
"""


def play(script, folder, *options):
    script = f"{SETUP}export FLOOD={quote(FLOOD)} CLIENTS={quote(CLIENTS)}\n" \
             f"/usr/bin/python3 - <<'END_OF_SCRIPT'\n{script}END_OF_SCRIPT\nip netns del b\n"
    result = uml.run_scripts({"load": script}, folder, *options)["load"]
    assert result.status == 0, result
    return json.loads(result.out)


@pytest.fixture(scope="module", name="seen")
def fixture_seen(tmp_path_factory):
    return play(HANDSHAKES, tmp_path_factory.mktemp("scripts"), "-a", "time-travel=inf-cpu")


def quote(text):
    """For bash: in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


def test_data_goes_on_while_handshakes_flood(tmp_path):
    echoed = play(DATA, tmp_path)
    assert echoed["before"] == 20
    assert echoed["answers"]["3 of 64 bytes"] > 1000
    assert echoed["meanwhile"] >= 95


@pytest.mark.parametrize("who", ["answers to the flood", "answers of stock"])
def test_flood_is_answered_with_cookies_only(seen, who):
    answers = seen[who]
    assert answers.pop("authentic") > 5
    assert list(answers) == ["3 of 64 bytes"] and answers["3 of 64 bytes"] > 1000


@pytest.mark.parametrize("who, what, ours", [("peer came through", "with the peer", False),
                                             ("forkguard came through", "with stock", True)])
def test_handshake_gets_through_a_flood_with_a_cookie(seen, who, what, ours):
    assert seen[who], seen[what]
    initiation, reply, again, response = seen[what][:4]
    assert [initiation, reply, again] == [[1, False, ours], [3, False, not ours], [1, True, ours]]
    # An end that has received a cookie before uses it in responses, too.
    assert response in ([2, False, not ours], [2, True, not ours])


def test_source_that_shows_a_cookie_is_answered_not_too_often(seen):
    answered = seen["answered"]
    # (responses, cookies) to 16 initiations.
    assert answered["without a cookie"] == [0, 16]
    # Each source has its own limit; for IPv6, a source is a network.
    for sources, limit in (("IPv4", 6), ("two of IPv4", 12), ("neighbours of IPv6", 6),
                           ("two networks of IPv6", 12)):
        assert answered[sources] == [limit, 0], sources


def test_nobody_needs_a_cookie_when_all_is_quiet(seen):
    assert seen["answered"]["when all is quiet"] == 10
