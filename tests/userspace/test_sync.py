# SPDX-License-Identifier: GPL-2.0
"""Repeating a configuration begins no handshake; a change begins the handshakes that it should.

Scripts in user-mode Linux, where sleeping takes no time. The peer is absent, and the initiations to
it are counted on the wire.
"""

import pytest
import uml

START = """
wire = Wire()
sh('''fwg genkey >ka; fwg genkey >kb; fwg genpsk >psk
    ips '' 'link set lo up' 'link add fwg0 type forkguard'
    fwg set fwg0 private-key ka listen-port 1000 peer $(fwg pubkey <kb) preshared-key psk \\
        endpoint 192.168.9.2:1000 allowed-ips 10.0.0.2/32
    fwg showconf fwg0 >conf
''' + ADDRESSES)
peer = sh("fwg pubkey <kb")
sender = udp("10.0.0.1")

def initiations(seconds):
    return [p.to for p in wire.wait(seconds) if p.type == INITIATION]

def sync():
    sh("fwg syncconf fwg0 conf")
"""

SCRIPTS = {
    "again": START + """
sender.sendto(b"waits", ("10.0.0.2", 77))
out["called"] = 0
for _ in range(6):
    sync()
    out["called"] += len(initiations(20))
out["quiet"] = 0
for _ in range(5):
    sync()
    out["quiet"] += len(initiations(20))
""",
    "endpoint": START + """
sender.sendto(b"waits", ("10.0.0.2", 77))
out["before"] = initiations(20)
sh("sed -i s/192.168.9.2:1000/192.168.9.2:2000/ conf")
sync()
out["after"] = initiations(20)
""",
    "keepalive": START + """
sync()
out["before"] = len(initiations(20))
sh("fwg set fwg0 peer %s persistent-keepalive 1000" % peer)
out["on"] = len(initiations(4))
out["later"] = len(initiations(200))
sh("fwg set fwg0 peer %s persistent-keepalive 1000" % peer)
out["again"] = len(initiations(20))
""",
}


@pytest.fixture(scope="module", name="results")
def fixture_results(tmp_path_factory, request):
    return uml.see({name: SCRIPTS[name] for name in uml.wanted(request)}, {}, tmp_path_factory)


@pytest.fixture(name="out")
def fixture_out(results, request):
    return uml.seen(results[request.function.script])


@uml.of("again")
def test_the_same_configuration_does_not_call_an_absent_peer_for_ever(out):
    """Handshakes are tried for a minute and a half, for the waiting packet, and then no more."""
    assert 15 <= out["called"] <= 20
    assert out["quiet"] == 0


@uml.of("endpoint")
def test_what_waits_is_sent_to_a_new_endpoint(out):
    assert {tuple(to) for to in out["before"]} == {("192.168.9.2", 1000)}
    assert len(out["after"]) >= 3
    assert {tuple(to) for to in out["after"]} == {("192.168.9.2", 2000)}


@uml.of("keepalive")
def test_keepalive_that_is_turned_on_calls_the_peer(out):
    assert out["before"] == 0
    assert out["on"] == 1
    assert 10 <= out["later"] <= 20
    assert out["again"] == 0
