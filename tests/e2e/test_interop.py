# SPDX-License-Identifier: GPL-2.0
"""forkguard and stock WireGuard, each in a guest, in one tunnel."""

import time

import pytest
from conftest import ends
from forklab import audit, pcap, tunnel
from forklab.guest import all_stopped

REKEY_AFTER = 120       # seconds, and some for retries on a busy machine
PATIENCE = 25


@pytest.mark.parametrize("psk", (False, True), ids=("nopsk", "psk"))
@pytest.mark.parametrize("underlay", (4, 6), ids=("over4", "over6"))
@pytest.mark.parametrize("initiator", (0, 1), ids=("initiator", "responder"))
def test_handshake(bench, initiator, underlay, psk):
    """Pings of both families, both ways, whoever begins."""
    pair = ends()
    machines = (bench.ours, bench.stock)
    key = tunnel.random_key() if psk else None
    try:
        for number, (guest, end) in enumerate(zip(machines, pair)):
            other = pair[1 - number]
            guest.run(end.bring_up(
                other, other.endpoint(underlay) if number == initiator
                else None, key))
        for number in (initiator, 1 - initiator):
            other = pair[1 - number]
            machines[number].run(f"ping -c 1 -W 20 {other.v4}")
            machines[number].run(f"ping -6 -c 1 -W 20 {other.v6}")
    finally:
        for guest, end in zip(machines, pair):
            guest.try_run(f"{tunnel.IP} link del {end.interface}")
    assert bench.splats() == []


def test_wrong_psk_gives_no_session(bench):
    """What the pings of the other tests stand on: keys matter."""
    ours, stock = ends()
    try:
        bench.stock.run(stock.bring_up(ours, psk=tunnel.random_key()))
        bench.ours.run(ours.bring_up(stock, stock.endpoint(),
                                     tunnel.random_key()))
        assert bench.ours.try_run(f"ping -c 2 -W 2 {stock.v4}").status != 0
        assert ours.show(bench.ours, "latest-handshakes").split()[1] == "0"
    finally:
        for guest, end in ((bench.ours, ours), (bench.stock, stock)):
            guest.try_run(f"{tunnel.IP} link del {end.interface}")


@pytest.mark.parametrize("sender", (0, 1), ids=("send", "receive"))
def test_tcp_stream(bench, tunnel_up, sender):
    """What goes in comes out: a stream of full-sized packets, unchanged."""
    machines = (bench.ours, bench.stock)
    source, sink = machines[sender], machines[1 - sender]
    # Busybox's nc closes when its input ends: tail never ends it.
    sink.run("tail -f /dev/null | nc -l -p 5000 >/tmp/received &")
    source.run("head -c 2000000 /dev/urandom >/tmp/sent")
    source.run(f"sleep 0.5; nc {tunnel_up[1 - sender].v4} 5000 </tmp/sent",
               timeout=60)
    sent = source.run("md5sum </tmp/sent")
    deadline = time.monotonic() + 20
    while sink.run("md5sum </tmp/received") != sent:
        assert time.monotonic() < deadline, "the stream arrived changed"
        time.sleep(0.5)
    assert bench.splats() == []


def test_rekey(rekeying):
    """Tunnels that have talked for over two minutes have changed their keys,
    begun by whoever began them, and lost nothing."""
    bench, tunnels = rekeying.bench, rekeying.tunnels
    machines = (bench.ours, bench.stock)
    deadline = time.monotonic() + REKEY_AFTER + PATIENCE
    while True:
        messages = [pcap.read(guest.captures[0]) for guest in machines]
        begun = [sum(m.sent and m.kind == pcap.INITIATION for m in sent)
                 for sent in messages]
        if min(begun) >= 2:
            break
        assert time.monotonic() < deadline, f"initiations sent: {begun}"
        time.sleep(2)
    time.sleep(3)
    for initiator, pair in enumerate(tunnels):
        guest = machines[initiator]
        guest.run("killall -INT ping; sleep 0.2")
        statistics = guest.run("tail -n 3 /tmp/ping")
        lost = int(statistics.split("% packet loss")[0].split()[-1])
        assert lost <= 1, statistics
        age = guest.run("date +%s").strip(), pair[initiator].show(
            guest, "latest-handshakes").split()[1]
        assert int(age[0]) - int(age[1]) < REKEY_AFTER
    assert bench.splats() == []
    with all_stopped(bench.folder):
        assert audit.judge([g.captures[0] for g in machines]).reused == 0
