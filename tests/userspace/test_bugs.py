# SPDX-License-Identifier: GPL-2.0
"""Bugs of other implementations, each with a test that would detect it here.

If stock WireGuard is the other end, its behavior is the oracle: both ends are treated in the same
way. Names in quotes are subjects of commits to Linux, with the release that has them. Bugs that are
tested elsewhere, and not here:

"wireguard: noise: reject response consumption after intermediate initiation", 7.3
	response_to_an_older_initiation_is_refused in tests/kunit/noise_test.c
"wireguard: noise: reject peers with low order public keys", 5.6
	low_order_keys_give_no_session in tests/kunit/noise_test.c, test_low_order_key_is_harmless
"wireguard: noise: separate receive counter from send counter", 5.7: a window of 2^64
	window_edges in tests/kunit/replay_test.c, nonce_never_wraps in tests/kunit/noise_test.c
"wireguard: allowedips: expand maximum node depth", 6.5: nested prefixes of /0 to /128
	prefixes_nest in tests/kunit/allowedips_test.c
"wireguard: queueing: preserve flow hash across packet scrubbing", 5.8, and
"wireguard: queueing: preserve tstamp_type when encapsulating packet", 7.3
	scrubbed_packet_keeps_flow_and_time in tests/kunit/device_test.c
"wireguard: send: append trailer after expanding head", 7.1: padded with uninitialized memory, and
"wireguard: send: account for mtu=0 devices", 5.6: divided by zero
	padding_gives_nothing_away in tests/kunit/device_test.c
"wireguard: device: check for metadata_dst with skb_valid_dst()", 5.18: took tunnel metadata for a
route, and read beyond its end
	metadata_is_no_route in tests/kunit/device_test.c
"wireguard: receive: account for napi_gro_receive never returning GRO_DROP", 5.8: what the kernel
dropped was counted as received
	packets_without_room_are_not_received in tests/kunit/device_test.c
"wireguard: device: enable threaded NAPI", 6.16, reverted in stable kernels: a queue that was full,
or polled by a thread, stopped for good
	packets_are_bounded_and_in_order in tests/kunit/inbound_test.c, tests/e2e/test_threaded.py
"wireguard: queueing: account for skb->protocol==0", 5.6
	protocol_is_what_the_packet_says in tests/kunit/device_test.c, and below
"wireguard: device: reset peer src endpoint when netns exits", 5.16: a route outlived its namespace
	test_route_goes_with_the_namespace_of_the_sockets in test_namespaces.py
"wireguard: device: use icmp_ndo_send helper", 5.6: ICMP errors went to a translated address
	test_refusal_reaches_who_is_behind_nat in tests/e2e/test_life.py
"wireguard: noise: take lock when removing handshake entry from table" and
"wireguard: peerlookup: take lock before checking hash in replace operation", 5.9
	removed_peer_begins_nothing in tests/kunit/device_test.c
"wireguard: receive: reset last_under_load to zero", 5.6
	test_nobody_needs_a_cookie_when_all_is_quiet in test_load.py
"wireguard: allowedips: fix use-after-free in root_remove_peer_lists", 5.6, and
"wireguard: queueing: cleanup ptr_ring in error path of packet_queue_init", 5.7: calls that fail
	tests/debug/faults
"wireguard: use DEV_STATS_INC()", 6.7, and other counters torn or lost between CPUs
	tests/debug, KCSAN, and data-race.patch planted there
Timestamps that reveal how long a computation took, before WireGuard was in Linux
	timestamps_are_coarse in tests/kunit/noise_test.c
Keys of old sessions that stay in memory
	old_sessions_are_wiped in tests/kunit/device_test.c
Deadlocks of the rtnl with other locks
	lockdep, in each kernel for tests in user-mode Linux; reset_needs_no_lock in device_test.c
A peer with the key of the interface itself
	test_peer_with_our_own_key_and_removal_of_a_stranger in test_fwg_kernel.py
A dump that does not report a change in the middle
	test_dump_that_is_interrupted_is_repeated in test_fwg_kernel.py
Peers removed, and namespaces deleted, under load
	tests/e2e/test_life.py
"""

import errno

import pytest
import uml
from test_namespaces import ASK
from uml import of

SCRIPTS = {}
OPTIONS = {"without IPv6": ("-a", "ipv6.disable=1")}  # kernel options for scripts of that name


def guest(name, text):
    """A script in Python, which stores observations in `out`; it may use guest.py."""
    SCRIPTS[name] = text


@pytest.fixture(scope="module", name="results")
def fixture_results(tmp_path_factory, request):
    return uml.see({name: SCRIPTS[name] for name in uml.wanted(request)}, OPTIONS, tmp_path_factory)


@pytest.fixture(name="seen")
def fixture_seen(results, request):
    """The observations of a test's script."""
    return uml.seen(results[request.function.script])


guest("wire", r"""
import random
wire = Wire()
couple()
HERE, THERE = ("10.0.0.1", 77), ("10.0.0.2", 77)
HERE6, THERE6 = ("fd00::1", 77), ("fd00::2", 77)
ours, theirs = udp("10.0.0.1"), udp("10.0.0.2", "b")
ours6, theirs6 = udp("fd00::1"), udp("fd00::2", "b")
WAYS = {"received by forkguard": (theirs, HERE, ours),
        "received by wireguard": (ours, THERE, theirs)}
WAYS6 = {"received by forkguard": (theirs6, HERE6, ours6),
         "received by wireguard": (ours6, THERE6, theirs6)}
out["first"] = wire.carry(ours, THERE, theirs) is not None

def works():
    return all(wire.carry(sender, to, receiver) for sender, to, receiver in WAYS.values())

# What routers on the way did to the ECN field of the outer packet.
for name, ways in ("IPv4", WAYS), ("IPv6", WAYS6):
    for way, (sender, to, receiver) in ways.items():
        marks = {}
        for inner in range(4):
            if name == "IPv4":
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xb8 | inner)
            else:
                sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0xb8 | inner)
            for outer in range(4):
                def mark(side, packet):
                    return [packet.copy(tos=outer)] if packet.type == DATA else [packet.data]
                answer = wire.carry(sender, to, receiver, change=mark)
                marks[f"{inner} {outer}"] = answer and answer[1]
        out[f"ECN of {name} {way}"] = marks
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0)
        if name == "IPv6":
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0)

# Checksums of the outer packets, also of those that were one large packet inside.
def stream():
    def wait(call):
        def attempt():
            try:
                return call()
            except BlockingIOError:
                return None
        return wire.pump(attempt)
    with inside("b"):
        listener = socket.create_server(("10.0.0.2", 80))
    listener.setblocking(False)
    sender = socket.socket()
    sender.setblocking(False)
    sender.connect_ex(("10.0.0.2", 80))
    receiver, _ = wait(listener.accept)
    receiver.setblocking(False)
    sent, got = random.Random(0).randbytes(100000), b""
    done = wait(lambda: sender.send(sent))
    while done < len(sent):
        got += wait(lambda: receiver.recv(65536))
        try:
            done += sender.send(sent[done:])
        except BlockingIOError:
            pass
    while len(got) < len(sent):
        part = wait(lambda: receiver.recv(65536))
        if not part:
            break
        got += part
    return got == sent
def segments(to, sender, receiver):
    sender.setsockopt(17, 103, 500)
    sender.sendto(bytes(4700), to)
    sender.setsockopt(17, 103, 0)
    return [len(data) for data, _ in (wire.pump(lambda: receive(receiver)) for _ in range(10))]
for underlay, endpoint in ("IPv4", "192.168.9.2:1000"), ("IPv6", "[fd09::2]:1000"):
    sh(f"fwg set fwg0 peer $(fwg pubkey <kb) endpoint {endpoint}")
    wire.heard["a"].clear()
    out["carried over " + underlay] = [
        all(wire.carry(ours, THERE, theirs, bytes(size))[0] == bytes(size)
            for size in (0, 1, 2, 3, 15, 16, 17, 700, 1391, 1392, 1393, 4000)),
        stream(), segments(THERE, ours, theirs), segments(THERE6, ours6, theirs6)]
    messages = [p for p in wire.heard["a"] if p.type in (INITIATION, RESPONSE, DATA)]
    out["checksums over " + underlay] = (len(data_messages(messages)) > 100,
        {p.version for p in messages} == {int(underlay[-1])}, all(p.sound for p in messages))
sh("fwg set fwg0 peer $(fwg pubkey <kb) endpoint 192.168.9.2:1000")
sh("ip netns exec b wg set wg0 peer $(fwg pubkey <ka) endpoint 192.168.9.1:1000")
assert works()

# A message that comes twice, and messages that come in the opposite order.
def twice(side, packet):
    return [packet.data] * 2
for way, (sender, to, receiver) in WAYS.items():
    out["twice, " + way] = [wire.carry(sender, to, receiver, change=twice) is not None,
                            wire.pump(lambda: receive(receiver), 0.3)]
    for data in reversed(wire.hold_back(sender, to, 20)):
        os.write(wire.ends["a" if receiver is ours else "b"], data)
    arrived = [wire.pump(lambda: receive(receiver)) for _ in range(20)]
    out["reversed, " + way] = [int(item[0]) for item in arrived if item]

# Several messages in one large datagram, as UDP segmentation offload makes them.
messages = [Packet(data).payload for data in wire.hold_back(theirs, HERE, 5)]
large = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
large.setsockopt(17, 103, len(messages[0]))
large.sendto(b"".join(messages), ("127.0.0.1", 1000))
out["in one"] = sorted(int(item[0]) for item in
                       (wire.pump(lambda: receive(ours)) for _ in range(5)) if item)
out["moved by it"] = show("endpoints").startswith("127.0.0.1:")
out["and back"] = wire.carry(theirs, HERE, ours) is not None, show("endpoints")

# What was on its way when the session changed, and changed twice.
AGAIN = {"received by forkguard": "ips b 'link set wg0 down' 'link set wg0 up' "
                                  "'addr replace fd00::2/64 dev wg0'",
         "received by wireguard": "ips '' 'link set fwg0 down'; " +
                                  ADDRESSES.replace(" add", " replace")}
for way, (sender, to, receiver) in WAYS.items():
    seen = []
    for data in wire.hold_back(sender, to, 3)[:3]:
        os.write(wire.ends["a" if receiver is ours else "b"], data)
        seen.append(bool(wire.pump(lambda: receive(receiver), 0.3)))
        sh(AGAIN[way])
        seen.append(bool(wire.carry(sender, to, receiver, seconds=15)))
    out["of sessions before, " + way] = seen

# Packets that are no messages.
assert works()
received, endpoint = show("transfer"), show("endpoints")
last = data_messages(wire.heard["b"])[-1].payload
noise = random.Random(1)
garbage = [bytes([kind, 0, 0, 0]) + noise.randbytes(length) for kind in range(7)
           for length in (*range(45), 60, 88, 144, 145, 1400)]
garbage += [bytes([kind]) + noise.randbytes(length - 1) for kind, length in
            ((1, 148), (2, 92), (3, 64), (4, 32), (4, 48)) for _ in range(20)]
garbage += [last[:8] + counter.to_bytes(8, "little") + noise.randbytes(32) for counter in
            (0, 1, 2**32, 2**63 - 1, 2**63, 2**64 - 2**13 - 1, 2**64 - 2**13, 2**64 - 1)]
garbage += [last[:place] + bytes([last[place] ^ 1]) + last[place + 1:]
            for place in range(len(last))]
garbage += [last[:length] for length in range(len(last))] + [last + b"x", last]
for payload in garbage:
    os.write(wire.ends["a"], build(("192.168.9.77", 7), ("192.168.9.1", 1000), payload))
    os.write(wire.ends["a"], build(("fd09::77", 7), ("fd09::1", 1000), payload))
wire.wait(0.2)
out["garbage"] = len(garbage), show("transfer") == received, show("endpoints") == endpoint
out["after garbage"] = works()

# Inner packets that lie about their length, and such as are no packets.
def raw(namespace, device, data, protocol):
    with inside(namespace):
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
    try:
        return packets.sendto(data, (device, protocol))
    except OSError as error:
        return -error.errno
    finally:
        packets.close()
inner = bytearray(build(THERE, HERE, b"inside"))
before = statistics()
for length in (0, 19, len(inner) + 15, len(inner) + 17, 65535): # the message has 48
    inner[2:4] = length.to_bytes(2, "big")
    raw("b", "wg0", bytes(inner), 0x0800)
inner6 = bytearray(build(THERE6, HERE6, b"inside"))
for length in (len(inner6) - 40 + 20, 65535):
    inner6[4:6] = length.to_bytes(2, "big")
    raw("b", "wg0", bytes(inner6), 0x86dd)
wire.wait(0.3)
after = statistics()
out["lying packets"] = after["rx"]["errors"] - before["rx"]["errors"]
out["after lies"] = receive(ours), receive(ours6), works()
packet = build(HERE, THERE, b"direct")
out["written to forkguard"] = [raw(None, "fwg0", data, protocol) for data, protocol in
    ((packet, 0x0800), (packet[:19], 0x0800), (packet[:1], 0x0800), (packet, 0x86dd),
     (packet, 0x0806), (b"\x60" + packet[1:], 0x0800), (packet[:1], 0))]
out["written to wireguard"] = [raw("b", "wg0", data, protocol) for data, protocol in
    ((packet, 0x0800), (packet[:19], 0x0800), (packet[:1], 0x0800), (packet, 0x86dd),
     (packet, 0x0806), (b"\x60" + packet[1:], 0x0800), (packet[:1], 0))]
wire.wait(0.1)
while receive(theirs):
    pass
out["without a protocol"] = raw(None, "fwg0", packet, 0), bool(wire.pump(lambda: receive(theirs)))
out["of an unknown source"] = (
    raw(None, "fwg0", build(("10.9.9.9", 7), THERE, b"foreign"), 0x0800),
    wire.pump(lambda: receive(theirs), 0.3))

# Fragments, on their way.
sh("ip link set ta mtu 576; ip -n b link set tb mtu 576")
wire.heard["a"].clear()
for way, (sender, to, receiver) in WAYS.items():
    data = noise.randbytes(1392)
    out["in fragments, " + way] = (wire.carry(sender, to, receiver, data) or [None])[0] == data
out["fragments"] = len([p for p in wire.heard["a"] if p.type is None]) > 1
sh("ip link set ta mtu 1500; ip -n b link set tb mtu 1500")
sh("ips '' 'addr replace fd09::1/64 dev ta'; ips b 'addr replace fd09::2/64 dev tb'")

# MTUs that leave room for nothing, or for everything.
for mtu in 0, 1, 67, 68, 1279, 1280, 65536, 2147483552:
    out[f"MTU {mtu}"] = sh(f"ip link set fwg0 mtu {mtu} 2>&1 && echo ok || echo refused")
    sh("fwg set fwg0 peer $(fwg pubkey <kb) persistent-keepalive 0")
    sh("fwg set fwg0 peer $(fwg pubkey <kb) persistent-keepalive 9")
    if mtu >= 68:
        sh("ip addr replace 10.0.0.1/24 dev fwg0")
        for size in 0, 60, 1500, 65507:
            try:
                ours.sendto(bytes(size), THERE)
            except OSError:
                pass
    wire.wait(0.05)
sh("ip link set fwg0 mtu 1420; fwg set fwg0 peer $(fwg pubkey <kb) persistent-keepalive 0")
sh("ip addr replace 10.0.0.1/24 dev fwg0; ip addr replace fd00::1/64 dev fwg0")
wire.wait(0.3)
while receive(theirs) or receive(ours):
    pass
out["after all MTUs"] = works()
""")

wire = of("wire")


@wire
@pytest.mark.parametrize("version", ["IPv4", "IPv6"])
def test_congestion_marks_follow_rfc_6040(seen, version):
    """"wireguard: receive: use tunnel helpers for decapsulating ECN markings", 5.7: ECT(1), which
    has a meaning in L4S, was lost."""
    marks = seen[f"ECN of {version} received by forkguard"]
    expected = {}
    for inner in range(4):
        for outer in range(4):
            came = 3 if inner and outer == 3 else 1 if (inner, outer) == (2, 1) else inner
            expected[f"{inner} {outer}"] = 0xb8 | came
    assert marks == expected
    assert marks == seen[f"ECN of {version} received by wireguard"]


@wire
@pytest.mark.parametrize("underlay", ["IPv4", "IPv6"])
def test_outer_checksums_are_right(seen, underlay):
    """Several tunnels of Linux took an offload of the inner packet (checksum, segmentation) for one
    of the outer packet; the receiver dropped those packets."""
    assert seen["carried over " + underlay] == [True, True, [500] * 9 + [200], [500] * 9 + [200]]
    assert seen["checksums over " + underlay] == [True, True, True]


@wire
def test_message_is_taken_once_and_in_any_order(seen):
    for way in "received by forkguard", "received by wireguard":
        assert seen["twice, " + way] == [True, None]
        assert seen["reversed, " + way] == list(range(19, -1, -1))


@wire
def test_messages_in_one_large_datagram(seen):
    """"wireguard: socket: mark skbs as not on list when receiving via gro", 5.6: freeing a packet
    of a list also freed all that followed."""
    assert seen["in one"] == list(range(5))
    assert seen["moved by it"]
    assert seen["and back"] == [True, "192.168.9.2:1000"]


@wire
def test_messages_of_sessions_before(seen):
    """The previous session is kept for packets in flight; the one before it is not."""
    for way in "received by forkguard", "received by wireguard":
        assert seen["of sessions before, " + way] == [True, True, True, True, False, True]


@wire
def test_garbage_changes_nothing(seen):
    count, untouched, stayed = seen["garbage"]
    assert count > 500 and untouched and stayed
    assert seen["after garbage"]


@wire
def test_packets_that_lie_about_their_length(seen):
    """Receivers of tunnels trusted the length in an inner header, and delivered or read memory
    beyond the packet."""
    assert seen["lying packets"] == 7
    assert seen["after lies"] == [None, None, True]


@wire
def test_what_is_no_packet_is_refused(seen):
    """"wireguard: queueing: account for skb->protocol==0", 5.6: packets without an IP header were
    accepted if their protocol was not set."""
    accepted = 20 + 8 + len("direct")
    assert seen["written to forkguard"] == [accepted] + [-errno.EPROTONOSUPPORT] * 6
    # The address belongs to another peer.
    assert seen["written to wireguard"] == [-errno.ENOKEY] + [-errno.EPROTONOSUPPORT] * 6


@wire
def test_packet_without_a_protocol_is_what_it_says(seen):
    """"wireguard: implement header_ops->parse_protocol for AF_PACKET", 5.8: programs that write
    packets to interfaces failed with this one."""
    assert seen["without a protocol"] == [20 + 8 + len("direct"), True]
    assert seen["of an unknown source"] == [20 + 8 + len("foreign"), None]


@wire
def test_fragments_on_the_way(seen):
    """A fragmented datagram is a list of skbs, which must be decrypted as one message."""
    assert seen["fragments"]
    for way in "received by forkguard", "received by wireguard":
        assert seen["in fragments, " + way]


@wire
def test_any_mtu(seen):
    """Any MTU is accepted, and the tunnel works afterwards. For padding with an MTU of zero, see
    padding_gives_nothing_away in tests/kunit/device_test.c."""
    assert all(seen[f"MTU {mtu}"] == "ok" for mtu in (0, 1, 67, 68, 1279, 1280, 65536, 2147483552))
    assert seen["after all MTUs"]


guest("ends", r"""
wire = Wire()
couple()
HERE, THERE = ("10.0.0.1", 77), ("10.0.0.2", 77)
ours, theirs = udp("10.0.0.1"), udp("10.0.0.2", "b")
def source():
    "Where our next message comes from."
    wire.heard["a"].clear()
    while receive(theirs):
        pass
    if not wire.carry(ours, THERE, theirs):
        return None
    return data_messages(wire.heard["a"])[-1].source[0]
def target(change=lambda side, packet: []):
    "Where our next message goes."
    wire.heard["a"].clear()
    wire.change = change
    ours.sendto(b"x", THERE)
    wire.pump(lambda: data_messages(wire.heard["a"]))
    wire.change = None
    return data_messages(wire.heard["a"])[-1].to[0]
out["first"] = source()

# Our address that the peer knows goes away, and so does the interface that it was on.
for name, first, other, bits in (("IPv4", "192.168.9.1", "192.168.9.5", 32),
                                 ("IPv6", "fd09::1", "fd09::5", 128)):
    def reached_by_other():
        bracket = f"[{other}]" if bits == 128 else other
        sh(f"ip addr add {other}/{bits} dev ta; "
           f"ip netns exec b wg set wg0 peer $(fwg pubkey <ka) endpoint {bracket}:1000")
        wire.carry(theirs, HERE, ours)
    reached_by_other()
    out["sticky " + name] = [source(), source()]
    sh(f"ip addr del {other}/{bits} dev ta")
    out["removed " + name] = source()
    sh("ip link add dummy0 type dummy")
    reached_by_other()
    out["again " + name] = source()
    sh(f"ip addr del {other}/{bits} dev ta; ip addr add {other}/{bits} dev dummy0; "
       "ip link set dummy0 up")
    out["moved " + name] = source()
    sh("ip link del dummy0")
    out["gone " + name] = source()
sh("ip netns exec b wg set wg0 peer $(fwg pubkey <ka) endpoint 192.168.9.1:1000")
wire.carry(theirs, HERE, ours)

# The endpoint of the peer: set by the user, and by authentic messages.
sh("fwg set fwg0 peer $(fwg pubkey <kb) endpoint 192.168.9.66:6")
out["as told"] = target()
forged = data_messages(wire.heard["b"])[-1]
os.write(wire.ends["a"], forged.copy(source=("192.168.9.88", 8)))
wire.wait(0.2)
out["not moved by a replay"] = target()
wire.carry(theirs, HERE, ours)
out["moved by data"] = target()
answers = []
def elsewhere(side, packet):
    "The other end seems to be there, and gets what is sent there."
    if side == "b":
        return [packet.copy(source=("192.168.9.44", 4))] if packet.type else []
    if packet.type == RESPONSE:
        answers.append((packet.to, show("endpoints")))
    return [packet.copy(to=("192.168.9.2", 1000))] if packet.to == ("192.168.9.44", 4) else []
sh("ips b 'link set wg0 down' 'link set wg0 up'")
arrived = wire.carry(theirs, HERE, ours, change=elsewhere)
out["not moved by an initiation"] = answers
out["moved by data of its session"] = arrived is not None, show("endpoints")
sh("ips b 'link set wg0 down' 'link set wg0 up'; fwg set fwg0 peer $(fwg pubkey <kb) "
   "endpoint 192.168.9.2:1000")
time.sleep(1)

# Another port of ours.
sh("ip link set fwg0 down; " + ADDRESSES.replace(" add", " replace"))
out["works"] = [wire.carry(ours, THERE, theirs) is not None,
                wire.carry(theirs, HERE, ours) is not None]
sh("fwg set fwg0 listen-port 1001")
wire.heard["a"].clear()
out["another port"] = [wire.carry(ours, THERE, theirs) is not None,
                       wire.carry(theirs, HERE, ours) is not None,
                       sorted({p.source[1] for p in data_messages(wire.heard["a"])})]

# The mark decides on the way, from the next packet on.
other = tun("tc")
sh("ips '' 'link set tc up' 'route add 192.168.9.2 dev tc table 100' 'rule add fwmark 7 table 100'")
def way():
    drain(other)
    wire.heard["a"].clear()
    ours.sendto(b"x", THERE)
    wire.wait(0.2)
    return [bool(data_messages(packets)) for packets in (wire.heard["a"], drain(other))]
out["ways"] = [way()]
for mark in "7", "8", "0x7", "off":
    sh(f"fwg set fwg0 fwmark {mark}")
    out["ways"].append(way())
# So do routes that come and go.
out["routes"] = [way()]
for command in "add", "del":
    sh(f"ip route {command} 192.168.9.2 dev tc")
    out["routes"].append(way())
sh("ip rule del fwmark 7; ip link del tc")
while receive(theirs):
    pass

# Strict reverse path filtering is of the interface that the packet was in the tunnel of.
for name in "all", "fwg0", "ta":
    sh(f"echo 1 >/proc/sys/net/ipv4/conf/{name}/rp_filter")
out["strict"] = wire.carry(theirs, HERE, ours) is not None
sh("ip route del 10.0.0.0/24 dev fwg0")
out["no way back"] = wire.carry(theirs, HERE, ours, seconds=0.5) is not None
sh("ip route add 10.0.0.0/24 dev fwg0")
out["way back"] = wire.carry(theirs, HERE, ours) is not None

# Refusals of packets that others sent.
lan = tun("lan")
sh("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; "
   "ips '' 'link set lan up' 'addr add 172.16.0.1/24 dev lan' 'addr add fd16::1/64 dev lan' "
   "'route add fd77::/64 dev fwg0'; "
   "fwg set fwg0 peer $(fwg genkey | fwg pubkey) allowed-ips 10.0.0.66")
wire.wait(0.3)
def refusal(packet):
    "But for the MTU."
    told = wire.refusal(lan, packet)
    return told and told[:4] + told[5:]
out["nobody's address"] = refusal(build(("172.16.0.9", 9), ("10.0.0.77", 9), b"x"))
out["no endpoint"] = refusal(build(("172.16.0.9", 9), ("10.0.0.66", 9), b"x"))
out["nobody's IPv6 address"] = refusal(build(("fd16::9", 9), ("fd77::77", 9), b"x"))
out["too large"] = refusal(build(("fd16::9", 9), ("fd00::2", 9), bytes(1400)))

# IPv6 is switched off, and on again, below a tunnel over it.
sh("fwg set fwg0 peer $(fwg pubkey <kb) endpoint [fd09::2]:1000")
out["over IPv6"] = [source()]
sh("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
ours.sendto(b"x", THERE)
sh("fwg set fwg0 listen-port 1002")
sh("fwg set fwg0 peer $(fwg pubkey <kb) endpoint [fe80::1%ta]:5")
ours.sendto(b"x", THERE)
wire.wait(0.3)
out["left over"] = unsent(ours)
sh("fwg set fwg0 peer $(fwg pubkey <kb) endpoint 192.168.9.2:1000")
out["over IPv6"].append(source())
sh("echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ip addr replace fd09::1/64 dev ta; "
   "fwg set fwg0 peer $(fwg pubkey <kb) endpoint [fd09::2]:1000")
out["over IPv6"].append(source())

# The interface goes to another namespace, and back; the sockets stay.
sh("ip netns add c; ip link set fwg0 netns c; "
   "ips c 'addr add 10.0.0.1/24 dev fwg0' 'link set fwg0 up'")
away = udp("10.0.0.1", "c")
out["moved"] = [wire.carry(away, THERE, theirs, b"away") is not None,
                wire.carry(theirs, HERE, away) is not None]
away.close()
sh("ip -n c link set fwg0 netns $$; ips '' 'addr add 10.0.0.1/24 dev fwg0' 'link set fwg0 up'")
out["moved"].append(wire.carry(ours, THERE, theirs, b"back") is not None)
""")

ends = of("ends")


@ends
@pytest.mark.parametrize("version", ["IPv4", "IPv6"])
def test_source_address_that_goes_away(seen, version):
    """Tunnels continued to send from an address that they no longer had, until a restart."""
    first, other = {"IPv4": ("192.168.9.1", "192.168.9.5"), "IPv6": ("fd09::1", "fd09::5")}[version]
    assert seen["sticky " + version] == [other, other]
    assert seen["removed " + version] == first
    assert seen["again " + version] == other
    assert seen["gone " + version] == first
    # On another interface, the address is still ours.
    assert seen["moved " + version] == other


@ends
def test_endpoint_is_what_was_told_last(seen):
    """Settings and authentic messages set the endpoint; messages that are not authentic do not."""
    assert seen["first"] == "192.168.9.1"
    assert seen["as told"] == seen["not moved by a replay"] == "192.168.9.66"
    assert seen["moved by data"] == "192.168.9.2"
    # An initiation may be a replay; it is answered where it came from (R12).
    assert seen["not moved by an initiation"] == [[["192.168.9.44", 4], "192.168.9.2:1000"]]
    assert seen["moved by data of its session"] == [True, "192.168.9.44:4"]


@ends
def test_another_port_of_ours(seen):
    assert seen["works"] == [True, True]
    assert seen["another port"] == [True, True, [1001]]


@ends
def test_fwmark_changes_the_way_at_once(seen):
    """The route for the old mark stayed in a cache."""
    assert seen["ways"] == [[True, False], [False, True], [True, False], [False, True],
                            [True, False]]


@ends
def test_route_that_changes_is_followed(seen):
    """A cached route must not be used after the kernel has invalidated it."""
    assert seen["routes"] == [[True, False], [False, True], [True, False]]


@ends
def test_reverse_path_filter_sees_the_interface(seen):
    assert [seen[name] for name in ("strict", "no way back", "way back")] == [True, False, True]


@ends
def test_refusals_reach_who_has_sent(seen):
    """"wireguard: device: use icmp_ndo_send helper", 5.6: with NAT, the error went to the
    translated address. That is tested by test_refusal_reaches_who_is_behind_nat in
    tests/e2e/test_life.py, because this kernel has no netfilter."""
    assert seen["nobody's address"] == ["172.16.0.1", "172.16.0.9", 3, 1, True]
    assert seen["no endpoint"] == ["172.16.0.1", "172.16.0.9", 3, 1, True]
    assert seen["nobody's IPv6 address"] == ["fd16::1", "fd16::9", 1, 3, True]
    assert seen["too large"] == ["fd16::1", "fd16::9", 2, 0, True]


@ends
def test_ipv6_switched_off_at_run_time(seen):
    """"wireguard: socket: free skb in send6 when ipv6 is disabled" and "ignore v6 endpoints when
    ipv6 is disabled", 5.18."""
    assert seen["over IPv6"] == ["fd09::1", "192.168.9.1", "fd09::1"]
    assert seen["left over"] == 0


@ends
def test_interface_goes_to_another_namespace(seen):
    assert seen["moved"] == [True, True, True]


guest("without IPv6", r"""
sh('''umask 077; fwg genkey >ka; fwg genkey >kb
ips '' 'link set lo up' 'link add va type veth peer name vb netns b' \
    'addr add 192.168.9.1/24 dev va' 'link set va up' 'link add fwg0 type forkguard'
ips b 'link set lo up' 'addr add 192.168.9.2/24 dev vb' 'link set vb up' \
    'link add wg0 type wireguard'
fwg set fwg0 private-key ka listen-port 1000 peer $(fwg pubkey <kb) endpoint [fd09::2]:1000 \
    allowed-ips 10.0.0.2/32,fd00::2/128
ip netns exec b wg set wg0 private-key kb listen-port 1000 peer $(fwg pubkey <ka) \
    allowed-ips 10.0.0.1/32,fd00::1/128
ips '' 'addr add 10.0.0.1/24 dev fwg0' 'link set fwg0 up'
ips b 'addr add 10.0.0.2/24 dev wg0' 'link set wg0 up' ''')
THERE = "10.0.0.2", 77
ours, theirs = udp("10.0.0.1"), udp("10.0.0.2", "b")
def reach(endpoint):
    sh(f"fwg set fwg0 peer $(fwg pubkey <kb) endpoint {endpoint}")
    ours.sendto(b"%d" % len(out["reached"]), THERE)
    select.select([theirs], [], [], 8)
    got = []
    while item := receive(theirs):
        got.append(int(item[0]))
    out["reached"].append(got)
out["reached"] = []
for endpoint in "[fd09::2]:1", "192.168.9.2:1000", "[fd09::2]:1", "[::1]:1", "192.168.9.2:1000":
    reach(endpoint)
out["left over"] = unsent(ours)
out["port"] = sh("fwg set fwg0 listen-port 0; fwg show fwg0 listen-port")
""")


@of("without IPv6")
def test_kernel_without_ipv6(seen):
    """"wireguard: socket: free skb in send6 when ipv6 is disabled" and "ignore v6 endpoints when
    ipv6 is disabled", 5.18. Packets that wait for a session are sent once there is a route; others
    are not."""
    assert seen["reached"] == [[], [0, 1], [], [], [4]]
    assert seen["left over"] == 0
    assert seen["port"] not in ("0", "1000")


guest("loops", r"""
sh('''umask 077
ips '' 'link set lo up' 'link add va type veth peer name vb netns b' \
    'addr add 192.168.9.1/24 dev va' 'link set va up'
ips b 'link set lo up' 'addr add 192.168.9.2/24 dev vb' 'link set vb up' ''')
# Tunnels in each other: fwg0 in fwg1 and so on, the last of them on the wire.
DEPTH = 4
def make_keys(*names):
    return sh(f"umask 077; for name in {' '.join(names)}; do fwg genkey >$name; fwg pubkey <$name; "
              "done").split()
keys = [make_keys(f"a{n}", f"b{n}") for n in range(DEPTH)]
for n, (ours, theirs) in enumerate(keys):
    here, there = [f"10.{n + 1}.0.1", f"10.{n + 1}.0.2"] if n + 1 < DEPTH else ["192.168.9.1",
                                                                                "192.168.9.2"]
    sh(f"ip link add fwg{n} type forkguard; ip -n b link add wg{n} type wireguard; "
       f"fwg set fwg{n} private-key a{n} listen-port {1000 + n} peer {theirs} "
       f"    endpoint {there}:{1000 + n} allowed-ips 10.{n}.0.0/24; "
       f"ip netns exec b wg set wg{n} private-key b{n} listen-port {1000 + n} peer {ours} "
       f"    endpoint {here}:{1000 + n} allowed-ips 10.{n}.0.0/24; "
       f"ips '' 'addr add 10.{n}.0.1/24 dev fwg{n}' 'link set fwg{n} up'; "
       f"ips b 'addr add 10.{n}.0.2/24 dev wg{n}' 'link set wg{n} up'")
def exchange(n, seconds=8):
    "Does a packet get through the tunnel, and those that it is in?"
    sender, receiver = udp(f"10.{n}.0.1"), udp(f"10.{n}.0.2", "b")
    receiver.setblocking(True)
    receiver.settimeout(seconds)
    try:
        sender.sendto(b"x", (f"10.{n}.0.2", 77))
        return receiver.recv(100) == b"x"
    except OSError as error:
        return type(error).__name__
    finally:
        sender.close()
        receiver.close()
def counters(field):
    links = {link["ifname"]: link for link in json.loads(sh("ip -j -s link"))}
    return [links[f"fwg{n}"]["stats64"]["tx"][field] for n in range(DEPTH)]
out["nested"] = [exchange(n) for n in range(DEPTH - 1, 0, -1)]
errors = counters("errors")
out["too deep"] = exchange(0), [now - then for then, now in zip(errors, counters("errors"))]
out["still"] = exchange(1)
out["complaints"] = len(complaints())

# Two that lead into each other, once both have a session.
sh(f"fwg set fwg2 peer {keys[2][1]} endpoint 192.168.9.2:1002")
out["before the circle"] = exchange(2), exchange(3)
sh(f"fwg set fwg2 peer {keys[2][1]} endpoint 10.3.0.7:1; "
   f"fwg set fwg3 peer {keys[3][1]} endpoint 10.2.0.7:1")
def hush(state):
    "Nobody moves our peers meanwhile."
    sh(f"ip -n b link set vb {state}")
hush("down")
packets, errors = counters("packets"), counters("errors")
out["circle"] = exchange(2, 1), exchange(3, 1)
out["circle's errors"] = sum(counters("errors")) - sum(errors)
out["circle's packets"] = sum(counters("packets")) - sum(packets)
out["complaints of the circle"] = len(complaints())
sh(f"fwg set fwg2 peer {keys[2][1]} endpoint 192.168.9.2:1002; "
   f"fwg set fwg3 peer {keys[3][1]} endpoint 192.168.9.2:1003")
hush("up")
out["after the circle"] = exchange(2), exchange(3)

# One interface: a peer that is reached through another, and one through itself.
onion, mirror = make_keys("bo", "bm")
sh(f"fwg set fwg3 peer {onion} endpoint 10.3.0.2:2000 allowed-ips 10.9.0.0/24 "
   f"    peer {mirror} endpoint 10.8.0.7:3000 allowed-ips 10.8.0.0/24; "
   "ips '' 'addr add 10.9.0.1/24 dev fwg3' 'addr add 10.8.0.1/24 dev fwg3'; "
   "ip -n b link add wgo type wireguard; "
   f"ip netns exec b wg set wgo private-key bo listen-port 2000 peer {keys[3][0]} "
   "    endpoint 10.3.0.1:1003 allowed-ips 10.9.0.0/24; "
   "ips b 'addr add 10.9.0.2/24 dev wgo' 'link set wgo up'")
out["onion"] = exchange(9)
sender = udp("10.8.0.1")
loops = drops("fwg3").get("tx_loop", 0), counters("errors")[3]
sender.sendto(b"x", ("10.8.0.2", 77))
time.sleep(0.5)
sent = dict(line.split("\t")[::2] for line in sh("fwg show fwg3 transfer").splitlines())
out["mirror"] = sent[mirror]
out["mirror is told"] = (drops("fwg3")["tx_loop"] - loops[0], counters("errors")[3] - loops[1])
# A circle of two peers, with sessions.
hush("down")
sh(f"fwg set fwg3 peer {keys[3][1]} endpoint 10.9.0.7:1")
packets, errors = counters("packets")[3], counters("errors")[3]
out["two mirrors"] = exchange(9, 1)
out["their errors"] = counters("errors")[3] - errors
out["their packets"] = counters("packets")[3] - packets
sh(f"fwg set fwg3 peer {keys[3][1]} endpoint 192.168.9.2:1003")
hush("up")
out["after the mirrors"] = exchange(9)
out["complaints of mirrors"] = len(complaints())
""")

loops = of("loops")


@loops
def test_tunnels_in_tunnels(seen):
    """Interfaces whose packets nest deeper than the stack allows: "tunnel xmit" functions of Linux
    recursed without a limit until 2026."""
    assert seen["nested"] == [True] * 3
    received, errors = seen["too deep"]
    assert received == "TimeoutError"
    # The last interface refuses, even the handshake.
    assert errors[:3] == [0] * 3 and errors[3] >= 1
    assert seen["still"] is True
    assert seen["complaints"] == 0


@loops
def test_tunnels_that_lead_into_each_other(seen):
    """In stock WireGuard, it was a matter of chance whether such packets ended ("wireguard:
    selftests: actually test for routing loops", 5.16); a synchronous sender would overflow its
    stack."""
    assert seen["before the circle"] == seen["after the circle"] == [True, True]
    assert seen["circle"] == ["TimeoutError", "TimeoutError"]
    assert seen["circle's errors"] >= 2
    assert seen["circle's packets"] < 30
    assert seen["complaints of the circle"] == 0


@loops
def test_peer_behind_another_peer(seen):
    """"wireguard: socket: remove errant restriction on looping to self", 5.7: a peer may be reached
    through another one of the same interface."""
    assert seen["onion"] is True


@loops
def test_peer_behind_itself(seen):
    """The default route leads into the tunnel, and so does the route to the peer."""
    assert seen["mirror"] == "0"
    assert seen["mirror is told"] == [1, 1]
    assert seen["two mirrors"] == "TimeoutError"
    assert seen["their errors"] >= 1
    assert seen["their packets"] < 30
    assert seen["after the mirrors"] is True
    assert seen["complaints of mirrors"] == 0


guest("talk", ASK + r"""
import base64
INTERRUPTED = 0x10
def public(tool="wg"):
    return sh(f"{tool} genkey | {tool} pubkey")
class Dump:
    "A dump, one message of the kernel's at a time."
    def __init__(self, family, index):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.socket.bind((0, 0))
        self.socket.settimeout(5)
        body = struct.pack("=BBxx", GET, 1) + attr(1, index)
        self.socket.send(struct.pack("=IHHII", 16 + len(body), family, REQUEST | DUMP, 1, 0) + body)
        self.peers, self.interrupted, self.error = [], False, None
    def read(self):
        "False at the end. The size tells the kernel how large its messages may be."
        data = self.socket.recv(4096)
        while data:
            length, kind, flags = struct.unpack_from("=IHH", data)
            self.interrupted |= bool(flags & INTERRUPTED)
            if kind in (2, 3):
                self.error = struct.unpack_from("=i", data, 16)[0]
                return False
            for nest in parts(attrs(data[20:length]).get(8, b"")):
                self.peers.append(attrs(nest)[1])
            data = data[length + 3 & ~3:]
        return True
def parts(data):
    while len(data) >= 4:
        length, _ = struct.unpack_from("=HH", data)
        yield data[4:length]
        data = data[length + 3 & ~3:]
def index_of(name):
    return struct.pack("=I", socket.if_nametoindex(name))

sh("ip link set lo up")
KEYS = [base64.b64encode(b"%032d" % n).decode() for n in range(200)]
def peers(command, keys):
    return " ".join(f"peer {key}{command}" for key in keys)
for tool, name, kind in ("fwg", "fwg0", "forkguard"), ("wg", "wg0", "wireguard"):
    family, _ = talk.family(kind)
    seen = out[kind] = {}
    for case in "all", "first", "cursor", "rest", "before", "device":
        sh(f"ip link add {name} type {kind}; {tool} set {name} {peers('', KEYS)}")
        if case == "before":
            sh(f"{tool} set {name} peer {KEYS[0]} remove")
        dump = Dump(family, index_of(name))
        dump.read()
        told = [base64.b64encode(key).decode() for key in dump.peers]
        if case == "all":
            sh(f"{tool} setconf {name} /dev/null")
        elif case == "first":
            sh(f"{tool} set {name} peer {told[0]} remove")
        elif case == "cursor": # the next message is made already
            sh(f"{tool} set {name} {peers(' remove', KEYS[2 * len(told) - 3:2 * len(told) + 3])}")
        elif case == "rest":
            sh(f"{tool} set {name} {peers(' remove', KEYS[len(told):])}")
        deleting = subprocess.Popen(["ip", "link", "del", name]) if case == "device" else None
        if deleting:
            time.sleep(0.5)
        while dump.read():
            pass
        seen[case] = [len(told) < 50, dump.error, dump.interrupted, len(dump.peers) >= len(told)]
        dump.socket.close()
        if deleting:
            seen[case].append(deleting.wait(10))
        else:
            sh(f"ip link del {name}")

    # Messages that are odd in a place.
    sh(f"ip link add {name} type {kind}")
    key = base64.b64decode(public())
    def set_peer(*attributes, of=key):
        return talk.ask(family, SET, 0, attr(1, index_of(name)),
                        attr(0x8008, attr(0x8000, attr(1, of) + b"".join(attributes))))[0]
    address4 = struct.pack("=H", 2) + b"\0\7\xc0\0\2\1" + bytes(8)
    address6 = struct.pack("=H", 10) + b"\0\7" + bytes(4) + b"\xfd" + bytes(15) + bytes(4)
    lengths = 0, 1, 2, 15, 16, 17, 24, 27, 28, 29, 128
    cases = [(f"{title} {length}", (address + bytes(128))[:length]) for title, address in
             (("4", address4), ("6", address6)) for length in lengths]
    answers = {name: set_peer(attr(4, data), of=b"%032d" % n)
               for n, (name, data) in enumerate(cases)}
    shown = dict(line.split("\t") for line in sh(f"{tool} show {name} endpoints").splitlines())
    seen["endpoints"] = {name: (answers[name], shown.get(KEYS[n]))
                         for n, (name, _) in enumerate(cases)}
    sh(f"{tool} setconf {name} /dev/null")
    def ip(family, address, bits):
        return attr(0x8000, (attr(1, struct.pack("=H", family)) if family is not None else b"") +
                    (attr(2, address) if address is not None else b"") +
                    (attr(3, bytes([bits])) if bits is not None else b""))
    seen["allowed"] = [set_peer(attr(0x8009, data)) for data in (
        b"", attr(0x8000, b""), b"\4\0\0\0" * 3, ip(2, bytes(4), 32), ip(2, bytes(4), 33),
        ip(2, b"", 0), ip(2, bytes(3), 8), ip(2, bytes(16), 8), ip(10, bytes(4), 8),
        ip(10, bytes(16), 129), ip(10, bytes(16), 128), ip(0, bytes(4), 8), ip(2, bytes(4), None),
        ip(2, None, 8), ip(None, bytes(4), 8), ip(2, bytes(4), 0) + ip(2, bytes(4), 99))]
    seen["allowed ips"] = sorted(sh(f"{tool} show {name} allowed-ips").split("\t")[1].split())
    sh(f"ip link del {name}")

    # A private key that makes a peer ourselves; the others stay.
    sh(f"umask 077; ip link add {name} type {kind}; {tool} genkey >own")
    own, other = sh(f"{tool} pubkey <own"), public()
    sh(f"{tool} set {name} peer {own} allowed-ips 10.1.0.0/16 peer {other}; "
       f"ip link set {name} up; {tool} set {name} private-key own")
    seen["own key"] = sh(f"{tool} show {name} peers").split() == [other]
    sh(f"{tool} set {name} peer {own} allowed-ips 10.2.0.0/16")
    seen["own key again"] = sh(f"{tool} show {name} peers").split() == [other]

    # Keys with which there is no secret, and one that is right, of a peer that is to be sent to.
    low = [base64.b64encode(key).decode() for key in
           (bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f")] + [public(tool)]
    sh(f"ip addr add 10.5.0.1/24 dev {name}; {tool} set {name} " + " ".join(
        f"peer {key} endpoint 127.0.0.1:9 allowed-ips 10.5.0.{n}/32 persistent-keepalive 1"
        for n, key in enumerate(low, 2)))
    sender = udp("10.5.0.1")
    for n in range(2, 6):
        sender.sendto(b"x", (f"10.5.0.{n}", 77))
    time.sleep(1)
    sender.close()
    sent = dict(line.split("\t")[::2] for line in sh(f"{tool} show {name} transfer").splitlines())
    seen["low order"] = [sent[key] for key in low]
    # Prefixes of all lengths in each other, by turns of two peers.
    turns = ["", ""]
    for bits in range(129):
        turns[bits % 2] += f",::/{bits}" + (f",0.0.0.0/{bits}" if bits <= 32 else "")
    sh(f"{tool} set {name} peer {other} allowed-ips {turns[0][1:]} peer {KEYS[0]} "
       f"allowed-ips {turns[1][1:]}")
    seen["prefixes"] = sum(len(line.split("\t")[1].split())
                           for line in sh(f"{tool} show {name} allowed-ips").splitlines()
                           if line[:44] not in low)
    sh(f"{tool} set {name} peer {other} remove; {tool} set {name} peer {KEYS[0]} allowed-ips ''")
    sh(f"{tool} set {name} peer {KEYS[0]} allowed-ips {turns[0][1:]}{turns[1]}; ip link del {name}")
""")

talk = of("talk")


@talk
def test_peers_removed_while_a_dump_pauses(seen):
    """"wireguard: netlink: check for dangling peer via is_dead instead of empty list" and "access
    device through ctx instead of peer", 6.9: the dump continued from a removed peer, or used that
    peer's device."""
    for kind in "forkguard", "wireguard":
        for case in "all", "first", "cursor", "rest":
            paused, error, interrupted, _ = seen[kind][case]
            assert (kind, case, paused, error, interrupted) == (kind, case, True, 0, True)


@talk
def test_first_peer_dead_or_device_gone(seen):
    """A dump got the device from its first peer, which was removed. A paused dump must hold the
    device."""
    assert seen["forkguard"]["before"] == [True, 0, False, True]
    assert seen["forkguard"]["device"][1::3] == [0, 0]


@talk
def test_endpoint_of_any_length(seen):
    """"wireguard: netlink: avoid variable-sized memcpy on sockaddr", 6.0."""
    shown = seen["forkguard"]["endpoints"]
    right = {"4 16": ["ok", "192.0.2.1:7"], "6 28": ["ok", "[fd00::]:7"]}
    assert {name: answer for name, answer in shown.items() if answer[0] == "ok"} == right
    assert all(answer[1] in (None, "(none)") for name, answer in shown.items() if name not in right)
    # It ignores the others without an error.
    theirs = seen["wireguard"]["endpoints"]
    assert {name: answer for name, answer in theirs.items()
            if answer[1] not in (None, "(none)")} == right


@talk
def test_allowed_ips_of_no_length(seen):
    """Code expected an allowed IP in an empty list, and an address in an element without one."""
    assert seen["forkguard"]["allowed"] == seen["wireguard"]["allowed"]
    assert seen["forkguard"]["allowed"].count("ok") == 3
    assert seen["forkguard"]["allowed ips"] == ["0.0.0.0/32", "::/128"]


@talk
def test_private_key_that_makes_a_peer_ourselves(seen):
    for kind in "forkguard", "wireguard":
        assert seen[kind]["own key"] and seen[kind]["own key again"]


@talk
def test_low_order_key_is_harmless(seen):
    """"wireguard: noise: error out precomputed DH during handshake rather than config", 5.6:
    whether such a peer was accepted depended on when the private key was set."""
    assert seen["forkguard"]["low order"] == seen["wireguard"]["low order"] == ["0"] * 3 + ["148"]


@talk
def test_prefixes_of_all_lengths(seen):
    """"wireguard: allowedips: expand maximum node depth", 6.5, and "don't corrupt stack when
    detecting overflow", 6.0: 129 nested prefixes were one more than the stack held."""
    assert seen["forkguard"]["prefixes"] == seen["wireguard"]["prefixes"] == 129 + 33


guest("begin", r"""
wire = Wire()
couple()
HERE, THERE = ("10.0.0.1", 77), ("10.0.0.2", 77)
ours, theirs = udp("10.0.0.1"), udp("10.0.0.2", "b")
def types(seconds):
    return [p.type for p in wire.wait(seconds) if p.type]

# What waits for a private key.
sh("fwg set fwg0 private-key /dev/null")
ours.sendto(b"early", THERE)
out["without a key"] = types(0.3)
sh("fwg set fwg0 private-key ka")
answer = wire.pump(lambda: receive(theirs), 3)
out["with a key"] = answer and answer[0].decode()

# Keepalives of an interface that is down.
sh("ip link set fwg0 down; fwg set fwg0 peer $(fwg pubkey <kb) persistent-keepalive 1")
out["down"] = types(1.5)
sh("ip link set fwg0 up")
out["up"] = types(2.5)
sh("ip link set fwg0 down")
wire.wait(0.2)
out["down again"] = types(2)
sh("fwg set fwg0 peer $(fwg pubkey <kb) persistent-keepalive 0; " +
   ADDRESSES.replace(" add", " replace"))
out["works"] = wire.carry(ours, THERE, theirs) is not None

# Keepalives of one that is up.
for side, tool in ("a", "fwg set fwg0 peer $(fwg pubkey <kb)"), \
                  ("b", "ip netns exec b wg set wg0 peer $(fwg pubkey <ka)"):
    seen = out["running " + side] = []
    for interval in 60, 50, 0, 60, 0:
        wire.wait(11) # until nothing is to be answered
        before = len(wire.heard[side])
        sh(f"{tool} persistent-keepalive {interval}")
        wire.wait(0.3)
        seen.append([len(p.payload) for p in wire.heard[side][before:] if p.type])

# Pre-shared keys are set, differ, and are cleared.
out["psk"] = []
sh("umask 077; fwg genpsk >psk")
for here, there in ("psk", "psk"), ("/dev/null", "psk"), ("/dev/null", "/dev/null"), ("psk", "psk"):
    sh(f"fwg set fwg0 peer $(fwg pubkey <kb) preshared-key {here}; "
       f"ip netns exec b wg set wg0 peer $(fwg pubkey <ka) preshared-key {there}; "
       "ips b 'link set wg0 down' 'link set wg0 up'; ips '' 'link set fwg0 down'; " +
       ADDRESSES.replace(" add", " replace"))
    out["psk"].append((wire.carry(ours, THERE, theirs, seconds=12) is not None,
                       show("preshared-keys") == "(none)"))

# A flood of messages that must be processed: the queue is bounded, and data gets through.
import base64, hashlib
def free():
    return int(sh("grep MemAvailable /proc/meminfo").split()[1])
def h(key, data, size):
    return hashlib.blake2s(data, key=key, digest_size=size).digest()
label = hashlib.blake2s(b"mac1----" + base64.b64decode(sh("fwg pubkey <ka"))).digest()
def initiation(n):
    body = bytes([1, 0, 0, 0]) + n.to_bytes(4, "big") + os.urandom(108)
    return body + h(label, body, 16) + bytes(16)
flood = [build(("192.168.9.9", 9), ("192.168.9.1", 1000), initiation(n)) for n in range(600)]
before, passed, lowest = free(), 0, 1 << 60
for _ in range(4):
    for packet in flood * 10:
        os.write(wire.ends["a"], packet)
    lowest = min(lowest, free())
    while receive(ours):
        pass
    passed += wire.carry(theirs, HERE, ours) is not None
out["flood"] = passed, before - lowest, drops()["hs_queue_full"]
wire.wait(2)
sh("ips '' 'link set fwg0 down' 'link set fwg0 up'; " + ADDRESSES.replace(" add", " replace"))
time.sleep(1)
while receive(theirs):
    pass
out["after the flood"] = wire.carry(ours, THERE, theirs, seconds=15) is not None
""")

begin = of("begin")


@begin
def test_packets_wait_for_the_first_private_key(seen):
    """"wireguard: netlink: send staged packets when setting initial private key", 6.5: they waited
    until another packet was sent."""
    assert seen["without a key"] == []
    assert seen["with a key"] == "early"


@begin
def test_keepalive_while_the_interface_is_down(seen):
    """Nothing is sent, and the setting is kept."""
    assert seen["down"] == []
    assert seen["up"][0] == 1 and 4 in seen["up"]
    assert seen["down again"] == []
    assert seen["works"]


@begin
def test_keepalive_is_set_while_the_interface_is_up(seen):
    """The first keepalive is sent at once, not after an interval, unless there was an interval."""
    assert seen["running a"] == [[32], [], [], [32], []]
    assert seen["running a"] == seen["running b"]


@begin
def test_preshared_key_is_set_and_cleared(seen):
    """"wireguard: noise: read preshared key while taking lock", 5.7. All zeros mean no key."""
    assert seen["psk"] == [[True, False], [False, True], [True, True], [True, False]]


@begin
def test_flood_of_handshakes(seen):
    """"wireguard: receive: use ring buffer for incoming handshakes" and "drop handshakes if queue
    lock is contended", 5.16: the queue was the bottleneck, and held 4096 messages of any size."""
    passed, kilobytes, dropped = seen["flood"]
    assert passed == 4
    # In each burst of 6000.
    assert kilobytes < 16 << 10 and dropped >= 4 * (6000 - 4096)
    assert seen["after the flood"]


# Namespaces are created and deleted in any order; a veth in each shows when it is really gone.
guest("namespaces_end", r'''
out["said"] = sh(r"""
gone() {
	for _ in $(seq 100); do ip link show "$1" >/dev/null 2>&1 || return 0; sleep 0.1; done
	return 1
}
(umask 077; fwg genkey >key)
begin() {
	ip netns add x
	ip netns add y
	ip -batch - <<-END
	link add vx type veth peer name in netns x
	link add vy type veth peer name in netns y
	END
}
populate() { # in $1: an interface that was made in $2
	ip -n "$2" link add "fwg$1" type forkguard
	ip -n "$2" link set "fwg$1" netns "$1"
	ip netns exec "$1" fwg set "fwg$1" private-key key peer "$(fwg genkey | fwg pubkey)" \
		allowed-ips 10.0.0.2/32 endpoint 127.0.0.1:9 persistent-keepalive 1
	ip -n "$2" link set lo up
	ip -n "$1" -batch - <<-END
	addr add 10.0.0.1/24 dev fwg$1
	link set fwg$1 up
	END
	ip netns exec "$1" bash -c 'for _ in 1 2 3; do echo >/dev/udp/10.0.0.2/9; done'
}
begin; populate y x; ip netns del x; gone vx; echo birth went first
until ip -n y link show fwgy | grep -o NO-CARRIER; do sleep 0.1; done
ip netns exec y bash -c 'echo >/dev/udp/10.0.0.2/9' 2>/dev/null && echo sent
ip netns exec y fwg set fwgy listen-port 7 2>/dev/null || echo no socket
ip -n y link set fwgy down
ip -n y link set fwgy up 2>/dev/null || echo stays down
ip netns del y; gone vy; echo both
begin; populate y x; ip netns del y; gone vy; echo interface went first
ip netns del x; gone vx; echo both
begin; populate y x; populate x y; ip netns del x & ip netns del y; wait; gone vx; gone vy
echo each held the other
begin; populate x x; ip netns del x; gone vx; ip netns del y; gone vy; echo alone
""").splitlines()
''')


@of("namespaces_end")
def test_namespaces_end_in_any_order(seen):
    """"wireguard: device: avoid circular netns references", 5.8: if two namespaces each had an
    interface that was created in the other, neither was ever freed."""
    assert seen["said"] == [
        "birth went first", "NO-CARRIER", "sent", "no socket", "stays down", "both",
        "interface went first", "both", "each held the other", "alone"]
