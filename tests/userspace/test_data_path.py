# SPDX-License-Identifier: GPL-2.0
"""The packets that forkguard sends and accepts, with stock WireGuard as the other end.

One script in user-mode Linux: forkguard here, wg0 in the namespace "b", a veth pair between them
that is captured. The script returns its observations as JSON.
"""

import errno
import json

import pytest
import uml

SETUP = """\
umask 077
ip netns add b
ip link add va type veth peer name vb netns b
ips 'link set lo up' 'addr add 192.168.9.1/24 dev va' 'link set va up' \
    'link add fwg0 type forkguard'
ip -n b -batch - <<END
addr add 192.168.9.2/24 dev vb
link set vb up
link add wg0 type wireguard
END
fwg genkey >ka; fwg genkey >kb; fwg genkey >kc
KA=$(fwg pubkey <ka) KB=$(fwg pubkey <kb) KC=$(fwg pubkey <kc)
fwg set fwg0 private-key ka listen-port 1000 \\
	peer $KB endpoint 192.168.9.2:1000 allowed-ips 10.0.0.2/32 peer $KC allowed-ips 10.0.0.3/32
ip netns exec b wg set wg0 private-key kb listen-port 1000 \\
	peer $KA endpoint 192.168.9.1:1000 allowed-ips 10.0.0.1/32 peer $KC allowed-ips 10.0.0.3/32
ips 'addr add 10.0.0.1/24 dev fwg0' 'link set fwg0 up'
ip -n b -batch - <<END
addr add 10.0.0.2/24 dev wg0
addr add 10.0.0.99/24 dev wg0
link set wg0 up
END
export KA KB
"""

# Runs at either end; reads commands and writes answers, one a line.
END = r"""
import json, socket, sys
sockets = {}
def udp(source):
    if source not in sockets:
        sockets[source] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sockets[source].bind((source, 77))
        sockets[source].settimeout(5)
    return sockets[source]
def send(source, to, size, tos):
    try:
        udp(source).setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        return udp(source).sendto(b"x" * size, (to, 77))
    except OSError as error:
        return -error.errno
def receive(source, seconds):
    udp(source).settimeout(seconds)
    try:
        return len(udp(source).recv(65536))
    except (BlockingIOError, TimeoutError):
        return None
for line in sys.stdin:
    word, *arguments = json.loads(line)
    print(json.dumps({"send": send, "receive": receive}[word](*arguments)), flush=True)
"""

SCRIPT = r"""
import json, os, socket, subprocess
end = os.environ["END"]
def start(*prefix):
    return subprocess.Popen([*prefix, "/usr/bin/python3", "-c", end], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def ask(process, *words):
    process.stdin.write(json.dumps(words) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
wire.bind(("va", 0))
wire.settimeout(0.05)
def heard():
    "(outgoing, type, outer TOS, length of the UDP payload) of each message since the last call."
    found = []
    while True:
        try:
            data, address = wire.recvfrom(65536)
        except TimeoutError:
            return found
        # Keepalives come when they like.
        if address[1] == 0x0800 and data[9] == 17 and len(data) != 28 + 32:
            found.append((address[2] == 4, data[28], data[1], len(data) - 28))
def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
ours, theirs = start(), start("ip", "netns", "exec", "b")
A, B = "10.0.0.1", "10.0.0.2"
out = {}
ask(theirs, "receive", B, 0)
ask(ours, "send", A, B, 10, 0)
out["first"] = ask(theirs, "receive", B, 5), heard()
ask(ours, "receive", A, 0)
for name, sender, receiver, source, to in (("ours", ours, theirs, A, B),
                                           ("theirs", theirs, ours, B, A)):
    seen = []
    for size in [*range(0, 40), 700, 1380, 1391, 1392, 1393, 1500, 3000]:
        sent = ask(sender, "send", source, to, size, 0)
        seen.append((size, sent, ask(receiver, "receive", to, 5),
                     [m[1:] for m in heard() if m[1] == 4]))
    out["sizes of " + name] = seen
    seen = []
    for tos in (0, 1, 2, 0xb8, 0xb9, 0x2a, 0xff):
        ask(sender, "send", source, to, 100, tos)
        ask(receiver, "receive", to, 5)
        seen.append((tos, [m[2] for m in heard() if m[1] == 4]))
    out["tos of " + name] = seen
    out["errors of " + name] = [ask(sender, "send", source, "10.0.0." + host, 1, 0)
                               for host in "34"]
ask(theirs, "send", "10.0.0.99", A, 1, 0)
out["foreign source"] = ask(ours, "receive", A, 1)
out["after it"] = ask(theirs, "send", B, A, 1, 0), ask(ours, "receive", A, 5)
run("ip", "netns", "exec", "b", "wg", "set", "wg0", "listen-port", "2000")
ask(theirs, "send", B, A, 1, 0)
out["roamed"] = ask(ours, "receive", A, 5), run("fwg", "show", "fwg0", "endpoints").split()[1]
out["answered"] = ask(ours, "send", A, B, 5, 0), ask(theirs, "receive", B, 5)
statistics = json.loads(run("ip", "-j", "-s", "link", "show", "fwg0"))[0]["stats64"]
out["statistics"] = {way: statistics[way]["packets"] for way in ("rx", "tx")}
print(json.dumps(out))
for process in (ours, theirs):
    process.kill()
"""


@pytest.fixture(scope="module", name="seen")
def fixture_seen(tmp_path_factory):
    script = f"{SETUP}export END={json_quote(END)}\n/usr/bin/python3 - <<'END_OF_SCRIPT'\n" \
             f"{SCRIPT}END_OF_SCRIPT\nip netns del b\n"
    result = uml.run_scripts({"data_path": script}, tmp_path_factory.mktemp("scripts"))["data_path"]
    assert result.status == 0, result
    return json.loads(result.out)


def json_quote(text):
    """For bash: in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


def test_first_packet_waits_for_the_handshake(seen):
    received, messages = seen["first"]
    assert received == 10
    kinds = [kind for _, kind, _, _ in messages]
    assert kinds[:2] == [1, 2] and 4 in kinds
    assert [tos for _, kind, tos, _ in messages if kind in (1, 2)] == [0x88, 0x88]


def test_sizes_and_padding_are_those_of_wireguard(seen):
    assert seen["sizes of ours"] == seen["sizes of theirs"]
    for size, sent, received, messages in seen["sizes of ours"]:
        assert sent == received == size and messages
        assert all(length <= 1420 + 32 for _, _, length in messages)


def test_dscp_stays_inside_and_ecn_shows(seen):
    assert seen["tos of ours"] == seen["tos of theirs"]
    # RFC 6040, 4.3: congestion is not copied outward, but shown as ECT(0).
    assert [outer for _, outer in seen["tos of ours"]] == [[0], [1], [2], [0], [1], [2], [2]]


def test_sender_is_told_why_a_packet_did_not_go(seen):
    assert seen["errors of ours"] == seen["errors of theirs"] == [-errno.EDESTADDRREQ,
                                                                  -errno.ENOKEY]


def test_source_that_is_not_allowed_is_dropped(seen):
    assert seen["foreign source"] is None
    assert seen["after it"] == [1, 1]


def test_endpoint_follows_the_peer(seen):
    assert seen["roamed"] == [1, "192.168.9.2:2000"]
    assert seen["answered"] == [5, 5]


def test_packets_are_counted(seen):
    assert seen["statistics"]["rx"] > 50 and seen["statistics"]["tx"] > 50
