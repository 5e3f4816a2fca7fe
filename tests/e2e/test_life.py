# SPDX-License-Identifier: GPL-2.0
"""The life of the module in a guest: resets, unloading, no generation ID."""

import base64
import json
import time

import pytest
from conftest import ends
from forklab import audit, fork, kit, pcap, tunnel
from forklab.guest import Guest, Machine, all_stopped, splats
from forklab.session import session
from forklab.timeline import sessions

RATE = 1000


def rate(bench):
    """The packets a second that the guests can process."""
    return RATE // bench.ours.machine.kit.patience


def start_load(bench, ours, stock):
    bench.ours.run(f"traffic -r {rate(bench)} {stock.v4} &")
    bench.stock.run(f"traffic -r {rate(bench)} {ours.v4} &")


def warnings(guest):
    """The module's warnings, without those about taint and reports that only list its functions."""
    found = []
    for line in guest.run("dmesg -r").splitlines():
        level, _, text = line[1:].partition(">")
        if level.isdigit() and int(level) % 8 <= 4 and "forkguard" in text \
                and "taint" not in text and "[forkguard]" not in text:
            found.append(text)
    return found


def test_reset_under_load(bench, tunnel_up):
    """Each reset ends the session, and data continues in another one."""
    ours, stock = tunnel_up
    reader = pcap.Reader(bench.ours.captures[0])
    reader.messages()
    start_load(bench, ours, stock)
    seen = []
    for number in range(6):
        peer = f"peer {stock.identity.public}" if number % 2 else ""
        bench.ours.run(f"fwg reset {ours.interface} {peer}")
        bench.ours.run(f"ping -c 1 -W 20 {stock.v4}")
        found = sessions([m for m in reader.messages() if m.sent])
        seen.append(found)
        assert found - set().union(*seen[:-1]), "no new session"
    bench.ours.run(f"i=0; while [ $i -lt 50 ]; do fwg reset {ours.interface};"
                   " i=$((i+1)); done", timeout=60)
    bench.ours.run(f"ping -c 1 -W 20 {stock.v4}")
    assert bench.splats() == []
    with all_stopped(bench.folder):
        verdict = audit.judge([bench.ours.captures[0],
                               bench.stock.captures[0]])
    assert verdict.reused == 0 and verdict.judged > rate(bench)


def test_generation_id_is_found(bench, tunnel_up):
    assert warnings(bench.ours) == []
    told = bench.ours.run("fwg generation")
    assert "source: ACPI" in told and "check: packet" in told


def test_refusal_reaches_who_is_behind_nat(bench, tunnel_up):
    """"wireguard: device: use icmp_ndo_send helper", 5.6: the ICMP error for a packet without a
    peer was sent to the address that NAT had given to its sender."""
    ours, _ = tunnel_up
    nobody = ours.v4.rpartition(".")[0] + ".99"
    bench.ours.run(f"""set -e
for module in veth sch_ingress cls_matchall crc32c_generic act_ct; do modprobe $module; done
{tunnel.IP} netns add lan
{tunnel.IP} link add lan type veth peer name host netns lan
{tunnel.IP} addr add 172.16.0.1/24 dev lan
{tunnel.IP} link set lan up
{tunnel.IP} -n lan addr add 172.16.0.9/24 dev host
{tunnel.IP} -n lan link set host up
{tunnel.IP} -n lan route add default via 172.16.0.1
echo 1 >/proc/sys/net/ipv4/ip_forward
/sbin/tc qdisc add dev lan clsact
/sbin/tc filter add dev lan ingress protocol ip matchall \
    action ct commit nat src addr 198.51.100.7 pipe
""")
    bench.ours.try_run(f"{tunnel.IP} netns exec lan ping -c 1 -W 2 {nobody}")
    assert "dst=198.51.100.7" in bench.ours.run("cat /proc/net/nf_conntrack")
    names, values = [line.split() for line in bench.ours.run(
        f"{tunnel.IP} netns exec lan cat /proc/self/net/snmp").splitlines()
                     if line.startswith("Icmp:")]
    assert dict(zip(names, values))["InDestUnreachs"] == "1"
    bench.ours.run(f"{tunnel.IP} link del lan; {tunnel.IP} netns del lan; "
                   "echo 0 >/proc/sys/net/ipv4/ip_forward")
    assert bench.splats() == []


def test_unload_under_load(bench):
    """Unloading under traffic leaves nothing behind, and the module can be loaded again."""
    for _ in range(3):
        ours, stock = ends()
        bench.stock.run(stock.bring_up(ours))
        bench.ours.run(ours.bring_up(stock, stock.endpoint()))
        bench.ours.run(f"ping -c 1 -W 20 {stock.v4}")
        start_load(bench, ours, stock)
        bench.ours.run("sleep 0.5; rmmod forkguard", timeout=30)
        assert not bench.ours.try_run(
            f"{tunnel.IP} link show {ours.interface}").status == 0
        assert "forkguard" not in bench.ours.run("cat /proc/modules")
        port = f":{ours.port:04X} "
        assert port not in bench.ours.run(
            "cat /proc/net/udp /proc/net/udp6").upper()
        assert bench.ours.try_run("fwg generation").status != 0
        bench.ours.run("killall traffic")
        bench.stock.run(f"killall traffic; {tunnel.IP} link del "
                        f"{stock.interface}")
    assert bench.splats() == []


def test_namespace_deleted_under_load(bench):
    """Deleting a namespace while its tunnel is in use removes the tunnel, and the module can be
    unloaded right afterwards."""
    ours, stock = ends()
    bench.stock.run(stock.bring_up(ours))
    # The socket stays in the namespace of creation, the interface moves.
    bench.ours.run(ours.bring_up(stock, stock.endpoint()))
    bench.ours.run(
        f"set -e; {tunnel.IP} netns add doomed\n"
        f"{tunnel.IP} link set {ours.interface} netns doomed\n"
        f"cat >/tmp/inside <<'EOF'\n"
        f"{tunnel.IP} addr add {ours.v4}/24 dev {ours.interface}\n"
        f"{tunnel.IP} link set {ours.interface} up\n"
        f"ping -c 1 -W 20 {stock.v4} && traffic -r {rate(bench)} {stock.v4} &\n"
        f"sleep 1\n"
        "EOF\n"
        f"{tunnel.IP} netns exec doomed sh /tmp/inside")
    assert bench.ours.run("pidof traffic")
    bench.ours.run(f"{tunnel.IP} netns del doomed; killall traffic")
    bench.ours.run("i=0; until rmmod forkguard; do i=$((i+1)); "
                   "[ $i -lt 20 ]; sleep 0.5; done", timeout=30)
    bench.stock.run(f"{tunnel.IP} link del {stock.interface}")
    assert "forkguard" not in bench.ours.run("cat /proc/modules")
    assert bench.splats() == []


def test_without_generation_id(kernel):
    """The module works, warns once, and reports on request that forks are not noticed."""
    with session() as folder:
        guest = Guest("alone", Machine(kit.load(kernel, "forkguard"),
                                       generation_device=False), [], folder)
        guest.wait_ready()
        ours, stock = ends()
        # Stock WireGuard is in a namespace, at the other end of a veth pair.
        guest.run(f"modprobe veth && {tunnel.IP} netns add other\n"
                  f"{tunnel.IP} link add here type veth peer name there "
                  f"netns other\n" + tunnel.cable_up(1, "here"))
        guest.run("cat >/tmp/inside <<'EOF'\n" +
                  tunnel.cable_up(2, "there") + f"{tunnel.IP} link set lo up\n"
                  + stock.bring_up(ours) + "EOF\n" +
                  f"{tunnel.IP} netns exec other sh /tmp/inside")
        for _ in range(2):
            guest.run(ours.bring_up(stock, stock.endpoint()))
            guest.run(f"ping -c 1 -W 20 {stock.v4}")
            assert "source: none" in guest.run("fwg generation")
            guest.run(f"{tunnel.IP} link del {ours.interface}")
        assert len(warnings(guest)) == 1, warnings(guest)
        assert splats(folder) == []


@pytest.mark.one_kernel
def test_idle_machine_looks_by_itself(kernel):
    """R10: a clone whose CPUs are all idle, and which the hypervisor's notice does not reach, looks
    at its ID by itself."""
    with session() as folder:
        template = Guest("template", Machine(kit.load(kernel, "forkguard"), cpus=2), [], folder)
        template.wait_ready()
        ours, stock = ends()
        template.run(f"{tunnel.IP} link set lo up\n"
                     "echo disable >/sys/firmware/acpi/interrupts/gpe05")
        template.run(ours.bring_up(stock, "127.0.0.1:9"))
        [snapshot] = fork.snapshot([template])
        [clone] = fork.restore(snapshot, template.machine, {"clone": []}, folder)
        template.kill()
        clone.cont()
        # To ask wakes a CPU, so it must have looked long before.
        time.sleep(20)
        now = int(clone.run("date +%s"))
        told = json.loads(clone.run(f"fwg show {ours.interface} --json"))
        reset, = (interface["last_reset"] for interface in told)
        assert reset["cause"] == "packet" and reset["time"] <= now - 5
        assert splats(folder) == []


def test_sleep(bench, tunnel_up):
    """Suspend, up to the freezing of tasks: the old keys do not survive it, and the tunnel makes
    new ones on its own."""
    ours, stock = tunnel_up
    reader = pcap.Reader(bench.ours.captures[0])
    before = sessions([m for m in reader.messages() if m.sent])
    # The kernel stays frozen for one second, busy waiting, instead of five.
    bench.ours.run("echo 1 >/sys/module/suspend/parameters/pm_test_delay && "
                   "echo freezer >/sys/power/pm_test && "
                   "echo freeze >/sys/power/state", timeout=60)
    assert "cause: suspend" in bench.ours.run(f"fwg show {ours.interface}")
    after = set()
    for _ in range(60):
        bench.ours.run("sleep 1")
        after |= sessions([m for m in reader.messages() if m.sent])
        if after:
            break
    assert before and after and not before & after
    bench.ours.run(f"ping -c 1 -W 20 {stock.v4}")
    assert bench.splats() == []


DEBUG = """[ -e /sys/kernel/debug/dynamic_debug ] || mount -t debugfs debugfs /sys/kernel/debug
echo 'module forkguard {0}p' >/sys/kernel/debug/dynamic_debug/control
echo {1} >/proc/sys/net/core/message_cost
"""


def test_dynamic_debug(bench, tunnel_up):
    """With dynamic debug, events of a peer are logged, but no keys; by default nothing is."""
    ours, stock = tunnel_up
    peer = f"peer {stock.identity.public}"

    def told(*texts):
        """Waits until the log has a line with each text; returns it."""
        for text in texts:
            bench.ours.run(f"until dmesg | grep -qF '{text}'; do sleep 0.2; done", timeout=60)
        return bench.ours.run("dmesg -c")

    bench.ours.run("dmesg -c")
    bench.ours.run(f"fwg reset {ours.interface}; ping -c 1 -W 20 {stock.v4}")
    assert "forkguard" not in bench.ours.run("dmesg -c")

    bench.ours.run(DEBUG.format("+", 0))
    try:
        bench.ours.run(f"fwg reset {ours.interface}; ping -c 1 -W 20 {stock.v4}")
        log = told("reset", "sending an initiation", "response: there is a new session")
        lines = [line.partition("forkguard: ")[2] for line in log.splitlines()
                 if "sending an initiation" in line]
        assert lines and all(line.startswith(f"{ours.interface}: peer ") and
                             f" (192.168.9.2:{stock.port}): " in line for line in lines)

        # The other end begins a handshake.
        bench.stock.run(stock.forget_sessions(ours) + f"; ping -c 1 -W 20 {ours.v4}")
        log += told("initiation from 192.168.9.2:", "sending a response",
                    "the new session is in use")
        bench.ours.run(f"fwg set {ours.interface} {peer} persistent-keepalive 1")
        bench.stock.run(f"wg set {stock.interface} peer {ours.identity.public} "
                        "persistent-keepalive 1")
        log += told("sending a keepalive", "): keepalive")
        bench.ours.run(f"fwg set {ours.interface} {peer} persistent-keepalive 0")
        bench.stock.run(f"wg set {stock.interface} peer {ours.identity.public} "
                        "persistent-keepalive 0")

        nobody = ours.v4.rpartition(".")[0] + ".99"
        bench.ours.try_run(f"ping -c 1 -W 1 {nobody}")
        log += told(f"no peer has {nobody} among its allowed IPs")

        psk = tunnel.random_key()
        bench.ours.run(f"echo {psk} >/tmp/psk; fwg set {ours.interface} {peer} "
                       f"preshared-key /tmp/psk; fwg reset {ours.interface}")
        bench.ours.try_run(f"ping -c 1 -W 1 {stock.v4}")
        log += told("response (do the preshared keys differ?) from 192.168.9.2:",
                    "handshake not answered in 5 s, try 2")
        bench.ours.run(f"fwg set {ours.interface} {peer} endpoint 203.0.113.1:9")
        log += told("no way there: ")
        bench.ours.run(f"{tunnel.IP} link del {ours.interface}")
        log += told("removed")
    finally:
        bench.ours.run(DEBUG.format("-", 5))
    for key in (ours.identity.private, ours.identity.public, stock.identity.public, psk):
        assert key not in log and base64.b64decode(key).hex() not in log
