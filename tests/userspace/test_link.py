# SPDX-License-Identifier: GPL-2.0
"""forkguard in place of stock WireGuard, as seen by the network around it: its link, its packets on
the wire, and packets that it can't send.

Each script runs twice in user-mode Linux, where sleeping takes no time: with t0 as a forkguard
interface, and with t0 as a stock WireGuard interface. The other end is always stock, wg0 in the
namespace "b". The observations of both runs must be the same, and as expected here.
"""

import errno

import pytest
import uml
from uml import of

KINDS = {"forkguard": "fwg", "wireguard": "wg"}
SCRIPTS = {}
OPTIONS = {f"without IPv6 {kind}": ("-a", "ipv6.disable=1") for kind in KINDS}  # of the kernel

BEGIN = r"""
KIND, TOOL = os.environ["KIND"], os.environ["TOOL"]
sh('''umask 077; wg genkey >ka; wg genkey >kb
ips '' 'link set lo up' "link add t0 type $KIND"; ip -n b link set lo up''')
KA, KB = sh("wg pubkey <ka; wg pubkey <kb").split()
ADDRESSES = '''ips '' 'addr replace 10.0.0.1/24 dev t0' 'addr replace fd00::1/64 dev t0' \
    'link set t0 up'
'''
def ours_set(words):
    sh(f"{TOOL} set t0 {words}")
def theirs_set(words):
    sh(f"ip netns exec b wg set wg0 {words}")
def couple():
    "There is a way already."
    sh("ip -n b link add wg0 type wireguard")
    ours_set(f"private-key ka listen-port 1000 peer {KB} endpoint 192.168.9.2:1000 "
             "allowed-ips 10.0.0.2/32,fd00::2/128")
    theirs_set(f"private-key kb listen-port 1000 peer {KA} endpoint 192.168.9.1:1000 "
               "allowed-ips 10.0.0.1/32,fd00::1/128")
    sh(ADDRESSES + '''
ips b 'addr add 10.0.0.2/24 dev wg0' 'addr add fd00::2/64 dev wg0' 'link set wg0 up' ''')
HERE, THERE = ("10.0.0.1", 77), ("10.0.0.2", 77)
HERE6, THERE6 = ("fd00::1", 77), ("fd00::2", 77)
def answer(call):
    "What a call returns, or the error."
    try:
        return call()
    except OSError as error:
        return -error.errno
"""


def guest(name, text):
    """A script in Python, that fills `out`; it may use guest.py."""
    for kind, tool in KINDS.items():
        SCRIPTS[f"{name} {kind}"] = f"os.environ |= {dict(KIND=kind, TOOL=tool)}\n{BEGIN}{text}"


@pytest.fixture(scope="module", name="results")
def fixture_results(tmp_path_factory, request):
    return uml.see({f"{name} {kind}": SCRIPTS[f"{name} {kind}"]
                    for name in uml.wanted(request) for kind in KINDS}, OPTIONS, tmp_path_factory)


@pytest.fixture(name="both")
def fixture_both(results, request):
    """The observations of a test's scripts: with forkguard, and with stock WireGuard."""
    return [uml.seen(results[f"{request.function.script} {kind}"]) for kind in KINDS]


@pytest.fixture(name="same")
def fixture_same(both):
    """A function: returns an observation, which must be the same in both runs."""
    def part(name):
        ours, theirs = (seen[name] for seen in both)
        assert ours == theirs, name
        return ours
    return part


guest("wire", r"""
wire = Wire()
couple()
ours, theirs = udp("10.0.0.1"), udp("10.0.0.2", "b")
ours6, theirs6 = udp("fd00::1"), udp("fd00::2", "b")
def empty():
    wire.wait(0.2)
    while any(receive(end) for end in (ours, theirs, ours6, theirs6)):
        pass
    wire.heard["a"].clear()
    wire.heard["b"].clear()
def sent(data=b"x", to=THERE, sender=ours, receiver=theirs):
    "What leaves us for a packet, if that arrives."
    empty()
    arrived = wire.carry(sender, to, receiver, data)
    wire.wait(0.1)
    return wire.heard["a"] if arrived else []
def way():
    "Where our next message comes from, and goes."
    message = data_messages(sent())[0]
    return message.source, message.to
def addressed(text):
    return f"[{text}]" if ":" in text else text

# The other end moves, from one family to the other, too; then we do.
out["roaming"] = []
for address, port, target in (
        ("192.168.9.2", 1001, "192.168.9.1"), ("192.168.9.3", 1001, "192.168.9.1"),
        ("fd09::2", 1001, "fd09::1"), ("fd09::3", 1002, "fd09::1"),
        ("192.168.9.3", 1002, "192.168.9.1"), ("fe80::2", 1002, "fe80::1%tb"),
        ("192.168.9.2", 1000, "192.168.9.1")):
    sh(f"ip -n b addr flush dev tb; ips '' 'addr replace fe80::1/64 dev ta nodad'; "
       f"ips b 'addr add {address}/{'64 nodad' if ':' in address else 24} dev tb'")
    theirs_set(f"listen-port {port} peer {KA} endpoint {addressed(target)}:1000")
    arrived = wire.carry(theirs, HERE, ours) is not None
    out["roaming"].append((arrived, show("endpoints", tool=TOOL, name="t0"), way()))
sh("ips b 'addr replace fd09::2/64 dev tb nodad'")

# The mark of sent packets: handshakes, data and keepalives.
other = tun("tc")
sh('''ips '' 'link set tc up' 'rule add fwmark 7 table 100' 'route add 192.168.9.2 dev tc table 100'
ip -6 rule add fwmark 7 table 100; ip route add fd09::2 dev tc table 100''')
def ways():
    "The types of messages that go the one way, and the other."
    sh("ip link set t0 down; " + ADDRESSES)
    empty()
    drain(other)
    ours.sendto(b"x", THERE)
    wire.wait(0.5)
    return [sorted({p.type for p in packets} - {None})
            for packets in (wire.heard["a"], drain(other))]
out["marks"] = []
for endpoint in "192.168.9.2", "fd09::2":
    ours_set(f"peer {KB} endpoint {addressed(endpoint)}:1000")
    for mark in "7", "8", "0x7", "off":
        ours_set(f"fwmark {mark}")
        out["marks"].append(ways())
    # At run time: messages of a session that there is.
    for mark in "7", "off":
        ours_set(f"fwmark {mark}")
        empty()
        drain(other)
        ours.sendto(b"x", THERE)
        wire.wait(0.2)
        out["marks"].append([len(data_messages(p)) for p in (wire.heard["a"], drain(other))])
sh("ip rule del fwmark 7; ip -6 rule del fwmark 7; ip link del tc")

# The addresses that we send from.
out["sources"] = {}
for version, first, second, bits in ("4", "192.168.9.1", "192.168.9.5", 32), \
        ("6", "fd09::1", "fd09::5", 128):
    here = "192.168.8.1" if version == "4" else "fd08::1"
    there = "192.168.9.2" if version == "4" else "fd09::2"
    seen = out["sources"][version] = {}
    def reached():
        sh(f"ip addr replace {second}/{bits} dev ta {'nodad' if bits == 128 else ''}")
        theirs_set(f"peer {KA} endpoint {addressed(second)}:1000")
        return wire.carry(theirs, HERE, ours) is not None
    seen["reached"] = reached(), way()[0][0]
    sh(f"ip addr del {second}/{bits} dev ta")
    seen["address removed"] = way()[0][0]
    reached()
    sh("ip link set ta down; ip link set ta up; ip addr replace fd09::1/64 dev ta nodad; "
       f"ip addr replace fd09::5/128 dev ta nodad")
    seen["link down and up"] = way()[0][0]
    reached()
    # The way leads elsewhere, and what went there comes back to the peer by the other end.
    tc = tun("tc")
    sh(f"ips '' 'link set tc up' 'addr add {here}/{bits} dev tc {'nodad' if bits == 128 else ''}' "
       f"'route add {there}/{bits} dev tc src {here}'")
    empty()
    ours.sendto(b"x", THERE)
    wire.wait(0.2)
    seen["route moved"] = sorted({p.source[0] for p in data_messages(drain(tc))})
    sh("ip link del tc")
    os.close(tc)
    reached()
    seen["reached again"] = way()[0][0]
    sh(f"ip addr del {second}/{bits} dev ta")
theirs_set(f"peer {KA} endpoint 192.168.9.1:1000")
wire.carry(theirs, HERE, ours)

# The outer headers. 10 is IP_MTU_DISCOVER; 0 never sets the DF flag, 2 always.
def headers(packet):
    "Flags, TTL and checksum of IPv4, or flow label and hop limit."
    if packet.version == 4:
        return packet.data[6] >> 5, packet.data[8], total(packet.data[:20])
    return int.from_bytes(packet.data[:4], "big") & 0xfffff, packet.data[7]
out["headers"] = {}
UNDERLAYS = {"IPv4": "192.168.9.2:1000", "IPv6": "[fd09::2]:1000"}
for underlay, endpoint in UNDERLAYS.items():
    ours_set(f"peer {KB} endpoint {endpoint}")
    for discover in 0, 2:
        ours.setsockopt(socket.IPPROTO_IP, 10, discover)
        ours.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 9)
        out["headers"][f"{underlay} {discover}"] = [headers(p) for p in sent(bytes(500)) if p.type]
ours.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 64)

# Pieces, where the link below is small, or the way behind it.
def pieces(size=1300):
    "Of a datagram, or whole; not what IPv6 has to say to its neighbours."
    return [len(p.data) for p in sent(bytes(size))
            if (p.data[9] if p.version == 4 else p.data[6]) in (17, 44)]
def icmp(packet, mtu):
    "An answer to a packet, from a router on the way."
    if packet.version == 4:
        body = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + packet.data[:28]
        body = body[:2] + struct.pack("!H", total(body)) + body[4:]
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 1, 0) + \
            socket.inet_aton("192.168.9.77") + packet.data[12:16]
        return head[:10] + struct.pack("!H", total(head)) + head[12:] + body
    pair = socket.inet_pton(10, "fd09::77") + packet.data[8:24]
    body = struct.pack("!BBHL", 2, 0, 0, mtu) + packet.data[:80]
    checksum = total(pair + struct.pack("!LL", len(body), 58) + body)
    body = body[:2] + struct.pack("!H", checksum) + body[4:]
    return struct.pack("!LHBB", 6 << 28, len(body), 58, 64) + pair + body
ours.setsockopt(socket.IPPROTO_IP, 10, 2)
for underlay, endpoint in UNDERLAYS.items():
    ours_set(f"peer {KB} endpoint {endpoint}")
    seen = out["pieces over " + underlay] = [pieces()]
    sh("ip link set ta mtu 1280")
    seen.append(pieces())
    sh("ip link set ta mtu 1500")
    seen.append(pieces())
    message = data_messages(sent(bytes(1300)))[0]
    os.write(wire.ends["a"], icmp(message, 1288))
    wire.wait(0.1)
    seen.append(pieces())
    sh("ip route flush cache; ip -6 route flush cache; ip link set ta down; ip link set ta up; "
       "ip addr replace fd09::1/64 dev ta nodad")
    seen.append(pieces())
ours_set(f"peer {KB} endpoint 192.168.9.2:1000")

# The MTU of the tunnel, changed as it runs: the padding keeps to it, and so does the sender.
out["MTUs"] = []
for mtu in 1420, 1281, 1280, 1419, 576, 9000, 1420:
    sh(f"ip link set t0 mtu {mtu}")
    if mtu >= 1280:
        sh(ADDRESSES)
    room = mtu - 28
    out["MTUs"].append((mtu, [len(data_messages(sent(bytes(size)))[0].payload) if mtu < 1500 else
                              len(sent(bytes(size))) for size in (0, room - 17, room - 1, room)],
                        answer(lambda: ours.sendto(bytes(room + 1), THERE)), None if mtu < 1280 else
                        answer(lambda: ours6.sendto(bytes(mtu - 48), THERE6))))
sh("ip route change 10.0.0.0/24 dev t0 src 10.0.0.1 mtu 1000")
out["MTU of the route"] = len(data_messages(sent(bytes(971)))[0].payload), \
    answer(lambda: ours.sendto(bytes(973), THERE))
sh("ip route change 10.0.0.0/24 dev t0 src 10.0.0.1")
ours.setsockopt(socket.IPPROTO_IP, 10, 0)

# Refusals, to ourselves and to others.
lan = tun("lan")
sh('''echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
ips '' 'link set lan up' 'addr add 172.16.0.1/24 dev lan' 'addr add fd16::1/64 dev lan nodad' ''')
ours_set(f"peer {sh('wg genkey | wg pubkey')} allowed-ips 10.0.0.66,fd00::66")
empty()
def undivided(packet):
    "With DF set."
    header = packet[:6] + b"\x40\0" + packet[8:10] + bytes(2) + packet[12:20]
    return header[:10] + struct.pack("!H", total(header)) + header[12:] + packet[20:]
lan4, lan6 = ("172.16.0.9", 9), ("fd16::9", 9)
out["refusals"] = {}
for name, packet in {
        "nobody": build(lan4, ("10.0.0.77", 9), b"x"),
        "nobody6": build(lan6, ("fd00::77", 9), b"x"),
        "no endpoint": build(lan4, ("10.0.0.66", 9), b"x"),
        "no endpoint6": build(lan6, ("fd00::66", 9), b"x"),
        "too large": undivided(build(lan4, THERE, bytes(1420))),
        "too large6": build(lan6, THERE6, bytes(1420)),
        "goes": build(lan4, THERE, bytes(1000))}.items():
    out["refusals"][name] = wire.refusal(lan, packet)
out["errors"] = [answer(lambda: end.sendto(b"x", (host, 9))) for end, host in (
    (ours, "10.0.0.77"), (ours6, "fd00::77"), (ours, "10.0.0.66"), (ours6, "fd00::66"))]
# There is no way to the endpoint.
ours_set(f"peer {KB} endpoint 198.51.100.1:9")
before = statistics("t0")["tx"]
out["errors"].append(answer(lambda: ours.sendto(b"x", THERE)))
wire.wait(0.2)
after = statistics("t0")["tx"]
out["counted without a way"] = {name: after[name] - before[name] for name in
                                ("packets", "errors", "dropped")}
ours_set(f"peer {KB} endpoint 192.168.9.2:1000")

# Sleep, as far as freezing goes.
def indices():
    return {p.payload[4:8].hex() for p in data_messages(sent())}
before = indices()
sh("echo 0 >/sys/module/suspend/parameters/pm_test_delay; echo freezer >/sys/power/pm_test; "
   "echo freeze >/sys/power/state")
empty()
out["types after sleep"] = [p.type for p in sent() if p.type]
out["keys outlive sleep"] = bool(before & indices())
out["works after sleep"] = all(wire.carry(*words) for words in (
    (theirs, HERE, ours), (ours, THERE, theirs), (theirs6, HERE6, ours6), (ours6, THERE6, theirs6)))
""")

wire = of("wire")


@wire
def test_peer_moves_between_families(same):
    """Packets go to the endpoint that was learnt, from the address that the peer reached."""
    assert same("roaming") == [
        [True, "192.168.9.2:1001", [["192.168.9.1", 1000], ["192.168.9.2", 1001]]],
        [True, "192.168.9.3:1001", [["192.168.9.1", 1000], ["192.168.9.3", 1001]]],
        [True, "[fd09::2]:1001", [["fd09::1", 1000], ["fd09::2", 1001]]],
        [True, "[fd09::3]:1002", [["fd09::1", 1000], ["fd09::3", 1002]]],
        [True, "192.168.9.3:1002", [["192.168.9.1", 1000], ["192.168.9.3", 1002]]],
        [True, "[fe80::2%ta]:1002", [["fe80::1", 1000], ["fe80::2", 1002]]],
        [True, "192.168.9.2:1000", [["192.168.9.1", 1000], ["192.168.9.2", 1000]]]]


@wire
def test_mark_is_on_every_message(same):
    here, elsewhere = [[1, 4], []], [[], [1]]
    assert same("marks") == [elsewhere, here, elsewhere, here, [0, 1], [1, 0]] * 2


@wire
@pytest.mark.parametrize("version", "46")
def test_source_address(same, version):
    first, second, way = {"4": ("192.168.9.1", "192.168.9.5", "192.168.8.1"),
                          "6": ("fd09::1", "fd09::5", "fd08::1")}[version]
    # An IPv6 address may be used on any interface.
    moved = way if version == "4" else second
    assert same("sources")[version] == {
        "reached": [True, second], "address removed": first, "link down and up": second,
        "route moved": [moved], "reached again": second}


@wire
def test_outer_headers(same):
    """Routers may fragment, whatever the inner packet says. Inner and outer TTL are independent."""
    headers = same("headers")
    assert headers["IPv4 0"] == headers["IPv4 2"] == [[0, 64, 0]]
    assert headers["IPv6 0"] == headers["IPv6 2"] == [[0, 64]]


@wire
def test_messages_in_pieces(same):
    """Messages are fragmented for the MTU of the link below, or of the path."""
    whole4, whole6 = [[20 + 8 + 32 + 1328]], [[40 + 8 + 32 + 1328]]
    for whole, seen in (whole4, same("pieces over IPv4")), (whole6, same("pieces over IPv6")):
        assert seen[::2] == whole * 3
        assert [len(part) for part in seen[1::2]] == [2, 2]
        assert all(max(part) <= 1288 for part in seen[1::2])


@wire
def test_mtu_of_a_running_tunnel(same):
    assert len(same("MTUs")) == 7
    for mtu, lengths, larger, larger6 in same("MTUs"):
        assert larger == -errno.EMSGSIZE
        assert larger6 in (mtu - 48, None)
        if mtu < 1500:
            assert lengths[0] == 32 + 32 and lengths[3] == mtu + 32, mtu
            assert all(length <= mtu + 32 for length in lengths), mtu
        else:
            assert lengths == [1, 7, 7, 7]
    assert same("MTU of the route") == [1000 + 32, -errno.EMSGSIZE]


@wire
def test_refusals(same):
    """Forwarded packets are refused by ICMP of both versions, local ones by errors."""
    v4, v6 = ["172.16.0.1", "172.16.0.9"], ["fd16::1", "fd16::9"]
    assert same("refusals") == {
        "nobody": [*v4, 3, 1, 0, True], "nobody6": [*v6, 1, 3, 0, True],
        "no endpoint": [*v4, 3, 1, 0, True], "no endpoint6": [*v6, 1, 3, 0, True],
        "too large": [*v4, 3, 4, 1420, True], "too large6": [*v6, 2, 0, 1420, True],
        "goes": None}
    assert same("errors") == [-errno.ENOKEY] * 2 + [-errno.EDESTADDRREQ] * 2 + [1]
    assert same("counted without a way")["packets"] == 0


@wire
def test_sleep(both, same):
    """Keys do not survive it. Packets cause new ones; forkguard makes them before any packet."""
    # Stock begins a handshake now, unless the other end has.
    assert both[0]["types after sleep"][:1] == [4]
    assert both[1]["types after sleep"][:1] in ([1], [4])
    assert same("keys outlive sleep") is False
    assert same("works after sleep") is True


guest("link", r"""
FEATURES = "tx", "rx", "sg", "tso", "gso", "gro", "tx-udp-segmentation", "lro"
def told(name="t0"):
    "What is said of a link, but for what tells it from others."
    return {key: value for key, value in json.loads(sh(f"ip -d -j link show {name}"))[0].items()
            if key not in ("ifindex", "ifname", "linkinfo")}
def features():
    return dict(line.strip().split(": ", 1) for line in sh("ethtool -k t0").splitlines()[1:])
def run(words):
    done = subprocess.run(words.split(), capture_output=True, text=True)
    return done.returncode, done.stderr
out["kind"] = json.loads(sh("ip -d -j link show t0"))[0]["linkinfo"]["info_kind"]
out["links"] = [told()]
sh(ADDRESSES)
out["links"].append(told())
out["driver"], *out["ethtool -i"] = sh("ethtool -i t0").splitlines()
out["has counters"] = "supports-statistics: yes" in out["ethtool -i"]
out["ethtool -i"] = [line for line in out["ethtool -i"] if "statistics" not in line]
out["ethtool"] = sh("ethtool t0 2>&1 || :")
out["features"] = features()
# Each is switched off, and on again, or can't be.
out["switches"] = {name: [(run(f"ethtool -K t0 {name} {state}")[0], features())
                          for state in ("off", "on")] for name in FEATURES}

# What links are told, and may refuse.
out["answers"] = {words: run(f"ip link {words} {'type ' + KIND if words[:3] == 'add' else ''}")
                  for words in (
    "set t0 mtu 0", "set t0 mtu 68", "set t0 mtu 2147483552", "set t0 mtu 2147483553",
    "set t0 mtu 1420", "set t0 address 02:00:00:00:00:01", "set t0 arp on", "set t0 arp off",
    "set t0 promisc on", "set t0 promisc off", "set t0 allmulticast on", "set t0 txqueuelen 7",
    "set t0 carrier off", "set t0 carrier on", "set t0 gso_max_size 3000", "set t0 gso_max_segs 2",
    "set t0 down", "set t0 name t1", "set t1 name t0", "set t0 up",
    "add t2 mtu 99", "add t3 numtxqueues 4 numrxqueues 4", "add t4 address 02:00:00:00:00:01",
    "add t0", "add t5 link t0", "add t6 up", "add t7 index 777")}
out["made"] = [told(name) for name in ("t0", "t2", "t3", "t7")]

# A port that is another's, of one family or the other.
for family, address in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
    for state in "up", "down":
        sh(f"ip link set t0 {state}")
        ours_set("listen-port 1999")
        with socket.socket(family, socket.SOCK_DGRAM) as holder:
            holder.bind((address, 2000))
            seen = [(run(words)[0], sh(f"{TOOL} show t0 listen-port")) for words in (
                f"{TOOL} set t0 listen-port 2000", "ip link set t0 up")]
        seen.append((run("ip link set t0 up")[0], sh(f"{TOOL} show t0 listen-port")))
        out[f"{address} is taken, {state}"] = seen
""")

link = of("link")


@link
def test_link_is_told_of(both, same):
    assert [seen["kind"] for seen in both] == list(KINDS)
    assert [seen["driver"] for seen in both] == [f"driver: {kind}" for kind in KINDS]
    down, up = same("links")
    assert (down["mtu"], down["min_mtu"], down["max_mtu"]) == (1420, 0, 2147483552)
    assert set(up["flags"]) == {"POINTOPOINT", "NOARP", "UP", "LOWER_UP"}
    same("ethtool -i")
    assert [seen["has counters"] for seen in both] == [True, False]
    same("ethtool")
    same("made")


@link
def test_link_is_set(same):
    answers = {words: status for words, (status, _) in same("answers").items()}
    assert not any(answers[f"set t0 mtu {mtu}"] for mtu in (0, 68, 1420, 2147483552))
    assert answers["set t0 mtu 2147483553"] and answers["add t0"]


@link
def test_features(same):
    features, switches = same("features"), same("switches")
    for word, feature in (("tx", "tx-checksumming"), ("sg", "scatter-gather"),
                          ("tso", "tcp-segmentation-offload"),
                          ("gso", "generic-segmentation-offload"),
                          ("gro", "generic-receive-offload"), ("rx", "rx-checksumming")):
        (refused, off), (refused_too, on) = switches[word]
        assert not refused and not refused_too
        assert [state[feature] for state in (features, off, on)] == ["on", "off", "on"]


@link
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_port_of_somebody_else(same, address):
    """Nothing is changed. An interface that is down gets the error when it comes up."""
    (refused, port), _, _ = same(f"{address} is taken, up")
    assert refused and port == "1999"
    (accepted, port), (refused, _), (opened, _) = same(f"{address} is taken, down")
    assert not accepted and refused and not opened and port == "2000"


guest("offloads", r"""
import random, threading
sh('''ip link add va type veth peer name vb netns b
ips '' 'link set va up' 'addr add 192.168.9.1/24 dev va'
ips b 'link set vb up' 'addr add 192.168.9.2/24 dev vb' ''')
couple()
DATA_BYTES = random.Random(0).randbytes(150000)
# The packets that leave the tunnel there: only this script checks their checksums.
sh("ip netns exec b ethtool -K wg0 gro off")
with inside("b"):
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    tap.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)
tap.bind(("wg0", 0))
tap.setblocking(False)
def checksums():
    "Of how many packets it is wrong, and right."
    counts = [0, 0]
    while True:
        try:
            data, address = tap.recvfrom(65536)
        except BlockingIOError:
            return counts
        if address[2] == 4:
            continue
        at, size, protocol = (20, 4, data[9]) if data[0] >> 4 == 4 else (40, 16, data[6])
        if protocol in (6, 17):
            counts[not total(data[at - 2 * size:at] + struct.pack("!LL", len(data) - at, protocol) +
                             data[at:])] += 1
def stream(sender, receiver, address):
    "Is what is sent from one namespace what is received in the other?"
    with inside(receiver):
        listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address
                                        else socket.AF_INET)
    with inside(sender):
        source = socket.create_connection(listener.getsockname()[:2], 20)
    sink, _ = listener.accept()
    sink.settimeout(20)
    thread = threading.Thread(target=lambda: (source.sendall(DATA_BYTES), source.close()))
    thread.start()
    received = b""
    while part := sink.recv(65536):
        received += part
    thread.join()
    sink.close()
    listener.close()
    return received == DATA_BYTES
ours, theirs = udp("10.0.0.1"), udp("10.0.0.2", "b")
def segments():
    "The lengths of datagrams that were given to the kernel as one, or the error."
    ours.setsockopt(17, 103, 500)
    accepted = answer(lambda: ours.sendto(bytes(4700), THERE))
    ours.setsockopt(17, 103, 0)
    time.sleep(0.2)
    return accepted if accepted < 0 else [
        len(message[0]) for message in iter(lambda: receive(theirs), None)]
NAMESPACES = {"t0": None, "wg0": "b"}
def counters():
    "Of both ends: bytes, packets, errors, dropped, each received and sent."
    time.sleep(0.2)
    found = []
    for name, namespace in NAMESPACES.items():
        with inside(namespace), open("/proc/net/dev") as lines:
            values = next(line for line in lines if line.strip().startswith(name + ":")).split()
        found.append([[int(values[start + n]) for n in range(1, 5)] for start in (0, 8)])
    return found
def counted(before, after):
    "Either way: was as much received as sent, was that about as much as there was, what was lost?"
    told = []
    for end in 0, 1:
        sent, got = ([now - then for then, now in zip(before[i][side], after[i][side])]
                     for i, side in ((end, 1), (1 - end, 0)))
        told.append((sent[:2] == got[:2], 1 < sent[0] / len(DATA_BYTES) < 1.3, sent[2:] + got[2:]))
    return told
def switch(names, devices, state):
    for device in devices:
        with inside("b" if device == "vb" else None):
            sh(f"ethtool -K {device} " + " ".join(f"{name} {state}" for name in names.split()))
stream(None, "b", "10.0.0.2")
for names in "", "tx", "rx", "sg", "tso", "gso", "gro", "tx rx sg tso gso gro":
    for devices in (("t0",), ("va", "vb")) if names else ((),):
        switch(names, devices, "off")
        checksums()
        before = counters()
        streams = stream(None, "b", "10.0.0.2"), stream("b", None, "fd00::1")
        lengths, (wrong, right) = segments(), checksums()
        out[" ".join([names, *devices])] = streams, lengths, wrong, right > 100, \
            counted(before, counters())
        switch(names, devices, "on")
""")


@of("offloads")
def test_offloads(both):
    """With each offload off, in the tunnel or in the link below, the data arrives unchanged, in
    packets with checksums, and is counted."""
    ours, stock = both
    assert ours == stock
    assert len(ours) == 15
    for name, (streams, lengths, wrong, enough, counted) in ours.items():
        assert streams == [True, True], name
        # Without checksum offload there is no segmentation: requesting it is an error.
        assert lengths == (-errno.EIO if "tx" in name and "t0" in name else [500] * 9 + [200]), name
        assert (wrong, enough) == (0, True), name
        assert counted == [[True, True, [0] * 4]] * 2, name


guest("noise", r"""
# What an interface counts of messages that it has to refuse, and of packets that it can't send.
wire = Wire()
couple()
ours, theirs = udp("10.0.0.1"), udp("10.0.0.2", "b")
OURS = ("192.168.9.1", 1000)
def stranger(*messages):
    for message in messages:
        os.write(wire.ends["a"], build(("192.168.9.9", 9), OURS, message))
def raw(packet, protocol):
    "Written to the tunnel's other end, which looks at its first byte only."
    with inside("b"):
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
    packets.sendto(packet, ("wg0", protocol))
def counted():
    "Received, and sent; forkguard's own counters, too."
    found = statistics("t0")
    return found, drops("t0") if KIND == "forkguard" else {}
def told(does, pause=1):
    "What of that something changes."
    (before, dropped) = counted()
    does()
    wire.wait(pause)
    (after, now_dropped) = counted()
    return {f"{way} {name}": value - before[way][name] for way in after
            for name, value in after[way].items()
            if value != before[way][name] and name not in ("packets", "bytes")}, \
        {name: value - dropped.get(name, 0) for name, value in now_dropped.items()
         if value != dropped.get(name, 0)}
def messages(held):
    return [Packet(data) for data in held]
assert wire.carry(ours, THERE, theirs) and wire.carry(theirs, HERE, ours)
# Both ends now use the one session.
for name, noise in {
        "garbage": [bytes(n) for n in (1, 3, 4, 31, 100)] + [b"\4" + bytes(30), b"\1" + bytes(146)],
        "unknown sessions": [b"\4\0\0\0" + os.urandom(60) for _ in range(5)],
        "invalid MACs": [bytes([type, 0, 0, 0]) + os.urandom(size - 4)
                         for type, size in ((1, 148), (2, 92))],
        "cookie replies": [b"\3\0\0\0" + os.urandom(60)]}.items():
    out[name] = told(lambda: stranger(*noise))
held = wire.hold_back(theirs, HERE, 5)
out["forged data"] = told(lambda: [os.write(wire.ends["a"], message.copy(
    payload=message.payload[:-1] + bytes([message.payload[-1] ^ 1])))
    for message in messages(held)])
out["data"] = told(lambda: [os.write(wire.ends["a"], data) for data in held])
out["replays"] = told(lambda: [os.write(wire.ends["a"], data) for data in held])
inner = build(THERE, HERE, b"inside")
inner6 = build(THERE6, HERE6, b"inside")
out["wrong sources"] = told(lambda: [
    raw(build(("10.0.0.9", 9), HERE, b"inside"), 0x800),
    raw(build(("fd00::9", 9), HERE6, b"inside"), 0x86dd)])
out["wrong lengths"] = told(lambda: [
    raw(inner[:2] + length.to_bytes(2, "big") + inner[4:], 0x800) for length in (19, 65535)] + [
    raw(inner6[:4] + b"\xff\xff" + inner6[6:], 0x86dd)])
held = wire.hold_back(theirs, HERE, 5)
sh("fwg reset t0" if KIND == "forkguard" else
   "ip link set t0 down; ip link set t0 up; " + ADDRESSES)
wire.change = lambda side, packet: []
out["after a fork"] = told(lambda: [os.write(wire.ends["a"], data) for data in held])
# Packets that wait for a session in vain.
sh("ip link set t0 down; " + ADDRESSES)
out["waiting"] = told(lambda: ([ours.sendto(b"x", THERE) for _ in range(200)],
                               time.sleep(0.1), sh("ip link set t0 down")))
sh(ADDRESSES)
wire.change = None
assert wire.carry(ours, THERE, theirs, seconds=20)
ours_set(f"peer {KB} allowed-ips 10.0.0.2/32 endpoint 198.51.100.1:9")
out["no route"] = told(lambda: ours.sendto(b"x", THERE))
out["no peer"] = told(lambda: answer(lambda: ours.sendto(b"x", ("10.0.0.77", 9))))
ours_set(f"peer {sh('wg genkey | wg pubkey')} allowed-ips 10.0.0.66")
out["no endpoint"] = told(lambda: answer(lambda: ours.sendto(b"x", ("10.0.0.66", 9))))
with inside(None):
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
out["not IP"] = told(lambda: answer(lambda: packets.sendto(b"\x50" + bytes(40), ("t0", 0x800))))
""")


@of("noise")
def test_noise_of_strangers(both):
    """As in stock, the interface statistics do not count messages that anybody can send.
    forkguard's own counters count them by reason."""
    ours, stock = ({name: words[part] for name, words in seen.items()}
                   for part, seen in ((0, both[0]), (0, both[1])))
    assert ours == stock
    for name in ("garbage", "unknown sessions", "invalid MACs", "cookie replies", "forged data",
                 "data", "replays", "after a fork", "no route"):
        assert ours[name] == {}, name
    assert ours["wrong sources"] == {"rx errors": 2, "rx frame_errors": 2}
    assert ours["wrong lengths"] == {"rx errors": 3, "rx length_errors": 3}
    assert ours["waiting"] == {"tx dropped": 200}
    for name in "no peer", "no endpoint", "not IP":
        assert ours[name] == {"tx errors": 1}, name

    reasons = {name: words[1] for name, words in both[0].items()}
    late = reasons.pop("after a fork")
    assert sum(late.values()) == 5 and set(late) <= {"rx_stale_session", "rx_unknown_session"}
    waiting = reasons.pop("waiting")
    assert waiting == {"tx_queue_full": 200 - 128, "tx_no_session": 128}
    assert reasons == {
        "garbage": {"rx_malformed": 7}, "unknown sessions": {"rx_unknown_session": 5},
        "invalid MACs": {"hs_bad_mac": 2}, "cookie replies": {"hs_refused": 1},
        "forged data": {"rx_forged": 5}, "data": {}, "replays": {"rx_replay": 5},
        "wrong sources": {"rx_wrong_source": 2}, "wrong lengths": {"rx_not_ip": 3},
        "no route": {"tx_no_route": 1}, "no peer": {"tx_no_peer": 1},
        "no endpoint": {"tx_no_endpoint": 1}, "not IP": {"tx_not_ip": 1}}


guest("peers", r"""
wire = Wire()
couple()
# Another peer, and another interface of ours.
sh('''umask 077; wg genkey >kc
ip -n b link add wg1 type wireguard; ips b 'addr add 10.0.0.3/24 dev wg1' 'link set wg1 up' \
    'rule add from 10.0.0.3 table 3' 'route add 10.0.0.1 dev wg1 table 3'
ip link add t1 type $KIND''')
KC = sh("wg pubkey <kc")
sh(f'''ip netns exec b wg set wg1 private-key kc listen-port 2000 peer {KA} allowed-ips 10.0.0.1/32
{TOOL} set t1 private-key ka listen-port 1001''')
ours, theirs, third = udp("10.0.0.1"), udp("10.0.0.2", "b"), udp("10.0.0.3", "b")
PEER_B = f"peer {KB} endpoint 192.168.9.2:1000 allowed-ips 10.0.0.2/32"
PEER_C = f"peer {KC} endpoint 192.168.9.2:2000 allowed-ips 10.0.0.3/32"
def empty():
    wire.wait(0.1)
    while receive(ours) or receive(theirs) or receive(third):
        pass
    wire.heard["a"].clear()
def load():
    "Packets on their way in both directions, which are there when something is done."
    for number in range(20):
        answer(lambda: ours.sendto(b"load", THERE))
        theirs.sendto(b"load", HERE)
def told():
    "Can we send to the one and the other, who else hears it, and do they reach us?"
    empty()
    seen = []
    for sender, to, receivers in (
            (ours, THERE, (theirs, third)), (ours, ("10.0.0.3", 77), (third, theirs)),
            (theirs, HERE, (ours,)), (third, HERE, (ours,))):
        sent = answer(lambda: sender.sendto(b"x", to))
        seen.append(sent if sent < 0 else [
            bool(wire.pump(lambda: receive(receiver), 6 if not n else 0.1))
            for n, receiver in enumerate(receivers)])
    return seen
def ports():
    "Where what we send to an address of the one goes."
    empty()
    answer(lambda: ours.sendto(b"x", THERE))
    wire.wait(0.5)
    return sorted({(p.source[1], p.to[1]) for p in wire.heard["a"] if p.type})
out["start"] = told()
for name, does, undoes in (
        ("another peer is added", PEER_C, None),
        ("a peer is removed", f"peer {KB} remove", PEER_B),
        ("an allowed IP moves", f"peer {KC} allowed-ips 10.0.0.3/32,10.0.0.2/32", PEER_B),
        ("allowed IPs are replaced by none", f"peer {KB} allowed-ips ''", PEER_B),
        ("allowed IPs are replaced by others", f"peer {KB} allowed-ips 10.0.0.9/32", PEER_B)):
    load()
    ours_set(does)
    load()
    out[name] = ports(), told()
    if undoes:
        ours_set(undoes)
        out["not any more: " + name] = told()
def configure(name, text):
    with open("conf", "w") as conf:
        conf.write(text)
    sh(f"{TOOL} {name} t0 conf")
CONF = f"[Interface]\nPrivateKey = {open('ka').read()}ListenPort = 1000\n"
ONE = f"[Peer]\nPublicKey = {KB}\nEndpoint = 192.168.9.2:1000\nAllowedIPs = 10.0.0.2/32\n"
OTHER = f"[Peer]\nPublicKey = {KC}\nEndpoint = 192.168.9.2:2000\nAllowedIPs = 10.0.0.3/32\n"
for name, text in ("replaced by none", CONF), ("replaced by one", CONF + ONE), \
        ("replaced by both", CONF + OTHER + ONE), ("replaced by the other", CONF + OTHER):
    load()
    configure("setconf", text)
    load()
    out["peers are " + name] = told()
configure("setconf", CONF + ONE + OTHER)
told()
load()
configure("syncconf", CONF + ONE)
out["synced"] = ports(), told()

# A peer moves to another interface, and back, with its route; what has waited for it does not go.
ours_set(PEER_C)
for name, new, old in ("there", "t1", "t0"), ("back", "t0", "t1"):
    load()
    sh(f'''{TOOL} set {old} peer {KB} remove
{TOOL} set {new} {PEER_B}
ips '' 'link set {new} up' 'route replace 10.0.0.2 dev {new}' ''')
    load()
    out["moved " + name] = ports(), told()
# An interface goes under load, and with it all its peers.
load()
sh("ip link del t0")
out["gone"] = [answer(lambda: ours.sendto(b"x", THERE)), sh(f"{TOOL} show interfaces")]
wire.wait(0.5)
""")


@of("peers")
def test_peers_come_and_go(both):
    """Under load: exactly while a peer belongs to an interface, that exchanges packets with it."""
    ours, stock = both
    assert ours == stock
    yes, heard = [True, False], [True]
    nobody = -errno.ENOKEY
    only_b, all_of_them = [yes, nobody, heard, [False]], [yes, yes, heard, heard]
    assert ours["start"] == [*only_b[:3], -errno.EDESTADDRREQ]
    assert ours["peers are replaced by one"] == only_b
    assert ours["another peer is added"] == [[[1000, 1000]], all_of_them]
    only_c = [nobody, yes, [False], heard]
    assert ours["a peer is removed"] == [[], only_c]
    # The other peer is on the same machine, so it must also deliver what it receives.
    assert ours["an allowed IP moves"] == [[[1000, 2000]], [yes, yes, [False], heard]]
    for name in "none", "others":
        assert ours[f"allowed IPs are replaced by {name}"] == [[], only_c]
    for name, seen in ours.items():
        assert seen == all_of_them or not name.startswith("not any more"), name
    assert ours["peers are replaced by none"] == [nobody, nobody, [False], [False]]
    assert ours["peers are replaced by both"] == all_of_them
    assert ours["peers are replaced by the other"] == only_c
    assert ours["synced"] == [[[1000, 1000]], only_b]
    assert ours["moved there"] == [[[1001, 1000]], all_of_them]
    assert ours["moved back"] == [[[1000, 1000]], all_of_them]
    assert ours["gone"][1] == "t1"


guest("without IPv6", r"""
sh('''ip link add va type veth peer name vb netns b; ip -n b link add wg0 type wireguard
ips '' 'link set va up' 'addr add 192.168.9.1/24 dev va' 'addr add 10.0.0.1/24 dev t0'
ips b 'link set vb up' 'addr add 192.168.9.2/24 dev vb' 'addr add 10.0.0.2/24 dev wg0' \
    'link set wg0 up' ''')
ours_set(f"private-key ka listen-port 1000 peer {KB} endpoint [fd09::2]:1000 "
         "allowed-ips 10.0.0.2/32")
theirs_set(f"private-key kb listen-port 1000 peer {KA} allowed-ips 10.0.0.1/32")
sh("ip link set t0 up")
ours, theirs = udp("10.0.0.1"), udp("10.0.0.2", "b")
def arrives(sender, to, receiver):
    sent = answer(lambda: sender.sendto(b"x", to))
    time.sleep(0.5)
    return sent, bool(receive(receiver))
out["to IPv6"] = arrives(ours, THERE, theirs), show("endpoints", tool=TOOL, name="t0")
out["its transfer"] = show("transfer", 3, TOOL, "t0")
time.sleep(6)
receive(theirs)
ours_set(f"peer {KB} endpoint 192.168.9.2:1000")
time.sleep(6)
out["to IPv4"] = bool(receive(theirs)), arrives(ours, THERE, theirs), arrives(theirs, HERE, ours)
ours_set("listen-port 1001")
out["another port"] = arrives(ours, THERE, theirs), arrives(theirs, HERE, ours)
""")


@of("without IPv6")
def test_kernel_without_ipv6(same):
    """IPv6 endpoints are accepted, but nothing can be sent to them."""
    assert same("to IPv6") == [[1, False], "[fd09::2]:1000"]
    assert same("its transfer") == "0"
    waited, there, back = same("to IPv4")
    assert waited and there == back == [1, True]
    assert same("another port") == [[1, True], [1, True]]
