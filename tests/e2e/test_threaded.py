# SPDX-License-Identifier: GPL-2.0
"""Threaded NAPI: a kernel thread for each CPU's queue hands received packets to the stack, on any
CPU, while the queue's CPU continues to receive. No queue may stall.

One guest with four CPUs; forkguard at both ends, in two namespaces connected by a veth pair, so
that a packet is received on the CPU that sends it.
"""

import pytest
from forklab import kit, tunnel
from forklab.guest import Guest, Machine, splats
from forklab.session import session

CPUS = 4
ROUNDS = 3
RATE = 1000000  # packets a second from each CPU, both ways: more than possible
INSIDE = f"{tunnel.IP} netns exec other"


@pytest.fixture(name="pair")
def fixture_pair(kernel):
    """A guest, and the ends of a tunnel in it: the second in the namespace "other"."""
    with session() as folder:
        guest = Guest("alone", Machine(kit.load(kernel, "forkguard"), CPUS), [], folder)
        guest.wait_ready()
        ends = [tunnel.End("forkguard", number, tunnel.identity()) for number in (1, 2)]
        guest.run(f"modprobe veth && {tunnel.IP} netns add other\n"
                  f"{tunnel.IP} link add here type veth peer name there netns other\n"
                  + tunnel.cable_up(1, "here"))
        guest.run(f"cat >/tmp/inside <<'EOF'\n{tunnel.cable_up(2, 'there')}"
                  f"{tunnel.IP} link set lo up\n{ends[1].bring_up(ends[0])}EOF\n"
                  f"{INSIDE} sh /tmp/inside")
        guest.run(ends[0].bring_up(ends[1], ends[1].endpoint()))
        guest.run(f"ping -c 1 -W 20 {ends[1].v4}")
        yield guest, ends
        assert splats(folder) == []


def begin_flood(guest, ends):
    """Starts sending packets from each CPU in both directions, until end_flood()."""
    guest.run("".join(
        f"taskset {1 << cpu:x} {where} traffic -r {RATE} {to.v4} &\n"
        for cpu in range(CPUS) for where, to in (("", ends[1]), (INSIDE, ends[0]))))


def end_flood(guest):
    guest.run("killall traffic; while pidof traffic; do sleep 0.1; done", timeout=120)


def set_threaded(guest, ends, state):
    for where, end in (("", ends[0]), (INSIDE, ends[1])):
        guest.run(f"{where} sh -c 'echo {state} >/sys/class/net/{end.interface}/threaded'",
                  timeout=120)


def deaf(guest, ends):
    """The CPUs on which packets from either end are not received."""
    script = "".join(
        f"taskset {1 << cpu:x} {where} ping -c 1 -W 5 {to.v4} >/dev/null ||"
        f" taskset {1 << cpu:x} {where} ping -c 1 -W 20 {to.v4} >/dev/null ||"
        f" echo CPU {cpu} to {to.v4}\n"
        for cpu in range(CPUS) for where, to in (("", ends[1]), (INSIDE, ends[0])))
    return guest.run(script, timeout=250).splitlines()


@pytest.mark.one_kernel
def test_reception_goes_on(pair):
    """Each CPU's queue works: threaded or not, switched under load, after down and up."""
    guest, ends = pair
    assert deaf(guest, ends) == []
    for _ in range(ROUNDS):
        begin_flood(guest, ends)
        set_threaded(guest, ends, 1)
        guest.run("sleep 5")
        end_flood(guest)
        assert deaf(guest, ends) == [], "threaded"
    begin_flood(guest, ends)
    for state in (0, 1) * 5:
        set_threaded(guest, ends, state)
    end_flood(guest)
    assert deaf(guest, ends) == [], "switched under load"
    begin_flood(guest, ends)
    for _ in range(5):
        guest.run(f"{tunnel.IP} link set {ends[0].interface} down; sleep 0.2; "
                  f"{tunnel.IP} link set {ends[0].interface} up; sleep 0.2", timeout=120)
    end_flood(guest)
    assert deaf(guest, ends) == [], "down and up under load"
    set_threaded(guest, ends, 0)
    assert deaf(guest, ends) == [], "no longer threaded"

    # Interface and module are removed under load, and leave nothing.
    set_threaded(guest, ends, 1)
    begin_flood(guest, ends)
    guest.run(f"sleep 0.5; {tunnel.IP} link del {ends[0].interface}; sleep 0.2; rmmod forkguard",
              timeout=120)
    assert "forkguard" not in guest.run("cat /proc/modules")
    end_flood(guest)
