# SPDX-License-Identifier: GPL-2.0
"""forkguard in place of WireGuard, with Debian's own tools and daemons. The scene drop-in in
test_forks.py tests forks of such a machine."""

import contextlib
import itertools
import os
import re

import managers
import pytest
from forklab import kit, tunnel
from forklab.guest import Guest, Machine, splats
from forklab.session import session

PATIENCE = 240      # seconds for a tour on a busy machine
FRESH = managers.STOP + """\
rmmod forkguard 2>/dev/null
rmmod wireguard 2>/dev/null
rm -f /etc/modprobe.d/* /etc/wireguard/*
"""

# There is no network, so nothing changes on its own.
TOUR = """\
exec 2>&1
say() { echo "$*"; "$@"; echo "exit $?"; }
states() {
	wg show all dump
	wg show
	wg showconf tun0
}
A=xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
B=TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=
echo FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE= >/tmp/psk
say /usr/bin/wg-quick up tun0
states
wg showconf tun0 >/tmp/before
/sbin/ip -d link show tun0
/sbin/ip address show tun0
/sbin/ip route show dev tun0
cat /sys/class/net/tun0/uevent
genl ctrl get name wireguard
for word in public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips \\
		latest-handshakes transfer persistent-keepalive; do
	say wg show tun0 $word
done
say wg set tun0 fwmark 0xcafe listen-port 4711 peer $A preshared-key /tmp/psk \\
	endpoint [2001:db8::1]:65535 persistent-keepalive 7 allowed-ips 10.0.0.0/8,fd00::/8 \\
	peer $B allowed-ips 0.0.0.0/0,::/0
states
ask wireguard 0 tun0
cat >/tmp/more <<'EOF'
[Peer]
PublicKey = gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
AllowedIPs = 10.1.0.0/16
EOF
say wg addconf tun0 /tmp/more
states
say wg syncconf tun0 /tmp/before
states
{ echo "[Interface]"; echo "ListenPort = 4712"; cat /tmp/more; } >/tmp/other
say wg setconf tun0 /tmp/other
states
say wg set tun0 peer gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA= remove private-key /dev/null
states
say wg show nobody
say wg show lo
say wg set lo listen-port 1
# The commands and attributes that are forkguard's are not known here.
for command in 2 64 65 66; do
	ask wireguard $command tun0
done
for attribute in 8 9 64 65; do
	ask wireguard 1 tun0 $attribute
done
say /usr/bin/wg-quick save tun0
cat /etc/wireguard/tun0.conf
say /usr/bin/wg-quick strip tun0
say /usr/bin/wg-quick down tun0
say wg show interfaces
"""


@pytest.fixture(scope="module")
def guests():
    """The guests so far, by kernel, and the exit stack that ends them."""
    with contextlib.ExitStack() as end:
        yield {}, end


@pytest.fixture
def guest(kernel, guests):
    """A guest with Debian's tools and daemons, and neither module loaded yet."""
    found, end = guests
    if kernel not in found or not found[kernel].alive:
        for old in found.values():
            old.kill()
        folder = end.enter_context(session())
        found[kernel] = Guest("alone", Machine(managers.add_to(
            kit.load(kernel, "forkguard", quick=True),
            os.path.join(folder, "initramfs")), cpus=2, memory=managers.MEMORY),
            [], folder)
        found[kernel].wait_ready()
        found[kernel].run(managers.PREPARE)
    found[kernel].run(FRESH, timeout=PATIENCE)
    yield found[kernel]
    assert splats(found[kernel].folder) == []


def configure(guest, system):
    """Writes a configuration for wg-quick, with a system that is not loaded yet."""
    end = tunnel.QuickEnd(system, 1, tunnel.Identity(
        "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=", ""))
    other = tunnel.End("wireguard", 2, tunnel.Identity(
        "", "DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDA="))
    guest.run(FRESH + end.config(other, "192.0.2.1:1234"), timeout=PATIENCE)


def loaded(guest):
    """Which of the two modules are loaded."""
    return sorted(set(guest.run("cut -d' ' -f1 /proc/modules").split()) &
                  {"forkguard", "wireguard"})


def errors(guest):
    return [line for line in guest.run("dmesg -r").splitlines()
            if re.match(r"<\d*[0-3]>.*forkguard: ", line)]


def tour(guest, system, commands=TOUR):
    configure(guest, system)
    told = guest.run(commands, timeout=PATIENCE)
    assert loaded(guest) == [system]
    # Remove numbers that each new interface, family or event gets, and those that
    # NetworkManager derives for what it imports.
    told = re.sub(r"^\W*\d+: |ID: 0x\w+|(IFINDEX|USEC_INITIALIZED)=\d+|fe80::[\w:]+",
                  "", told, flags=re.M)
    # The order of attributes has no meaning.
    return [" ".join(sorted(line.split())) if re.match(r" \d", line) else line
            for line in told.splitlines()]


def test_tools_see_no_difference(guest):
    """wg, wg-quick, ip and genl print the same as with WireGuard. The only difference is which
    module is loaded on demand."""
    theirs = tour(guest, "wireguard")
    ours = tour(guest, "forkguard")
    assert "AllowedIPs = 10.9.0.2/32, fd09::2/128" in theirs
    assert ours == theirs


# Each on one kernel only, because they take long. The test before covers both kernels.
@pytest.mark.parametrize("kernel, manager", zip(itertools.cycle(kit.KERNELS), managers.TOURS),
                         indirect=["kernel"], scope="session")
def test_managers_see_no_difference(guest, manager):
    """systemd-networkd and NetworkManager configure the same as with WireGuard."""
    commands = managers.START + managers.TOURS[manager] + managers.STOP
    theirs = tour(guest, "wireguard", commands)
    ours = tour(guest, "forkguard", commands)
    text = " ".join(" ".join(theirs).split())
    assert [sign for sign in managers.SIGNS[manager] if sign not in text] == []
    assert ours == theirs


def test_refused_while_wireguard_is_there(guest):
    guest.run("/sbin/modprobe wireguard")
    before = len(errors(guest))
    for load in ("/sbin/modprobe forkguard",
                 "insmod /lib/modules/*/forkguard.ko"):
        refused = guest.try_run(f"{load} replace_wireguard=1")
        assert refused.status != 0 and "busy" in refused.text
    told = errors(guest)[before:]
    # Busybox tries twice.
    assert len(told) == 3 and all(
        "rmmod wireguard" in line and "blacklist" in line for line in told)
    assert loaded(guest) == ["wireguard"]
    # Both modules work beside each other as usual.
    guest.run("/sbin/modprobe forkguard && "
              f"{tunnel.IP} link add fwg0 type forkguard && "
              f"{tunnel.IP} link add wg0 type wireguard")
    assert guest.run("fwg show interfaces; wg show interfaces").split() == \
        ["fwg0", "wg0"]
    assert guest.try_run("wg show fwg0").status != 0


def test_wireguard_is_kept_out(guest):
    """Whatever name is requested, forkguard is loaded. Then WireGuard can't be loaded, not even
    without the file that names forkguard."""
    for name in ("wireguard", "rtnl-link-wireguard", "forkguard",
                 "net-pf-16-proto-16-family-wireguard"):
        configure(guest, "forkguard")
        guest.run(f"/sbin/modprobe {name}")
        assert loaded(guest) == ["forkguard"], name
    guest.run("/sbin/modprobe -C /dev/null wireguard; "
              "ln -sf /sbin/modprobe /tmp/insmod")
    assert loaded(guest) == ["forkguard"]
    refused = guest.try_run("/tmp/insmod /lib/modules/*/kernel/drivers/net/"
                            "wireguard/wireguard.ko*")
    assert refused.status != 0 and "exists" in refused.text


def test_both_kinds_are_one(guest):
    """Each tool configures interfaces that the other has made. All disappear with the module."""
    configure(guest, "forkguard")
    for _ in range(2):
        guest.run(f"{tunnel.QUICK} up tun0 && "
                  f"{tunnel.IP} link add fwg0 type forkguard && "
                  f"{tunnel.IP} link set fwg0 up")
        assert guest.run("fwg show interfaces").split() == ["tun0", "fwg0"]
        # wg lists interfaces of its kind, but accepts any that is named.
        assert guest.run("wg show interfaces").split() == ["tun0"]
        guest.run("wg set fwg0 fwmark 7; fwg set tun0 fwmark 8; "
                  "fwg reset tun0")
        assert guest.run("fwg show fwg0 fwmark; wg show tun0 fwmark"
                         ).split() == ["0x7", "0x8"]
        assert guest.run("fwg show fwg0 dump") == \
            guest.run("wg show fwg0 dump")
        assert "fork check: packet" in guest.run("fwg show tun0")
        guest.run("rmmod forkguard")
        assert loaded(guest) == []
        assert guest.run("ls /sys/class/net").split() == ["lo"]
        # A request for the family also loads the module.
        assert "not supported" in guest.run("ask wireguard 0 lo")
        assert loaded(guest) == ["forkguard"]
