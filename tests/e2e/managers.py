# SPDX-License-Identifier: GPL-2.0
"""Debian's systemd-networkd and NetworkManager in a guest: the tunnels that they configure, and the
reports of them, udev and the kernel about these.

They have a root file system of their own, see scripts/managers.sh, with the bus and the udev that
they need, but systemd is not the first process.
"""

import base64
import dataclasses
import hashlib
import os
import subprocess

from forklab import kit

MEMORY = 512        # MB for a guest with them
KEY = "2Bdru2xoTCfNyPCCJ7TTTTU4OLIyDFjlyxkmGpsyMEo="
PSK = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE="
A = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
B = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="


def many(count):
    """Peers, {key: allowed IPs}; a few dozen are already too many for one message to the kernel."""
    return {base64.b64encode(hashlib.sha256(b"%d" % n).digest()).decode():
            [f"10.7.{n}.{i}/32" if i % 2 else f"fd07:{n}::{i}/128"
             for i in range(25)] for n in range(count)}


# tun1 has every setting, tun2 has many peers.
NETWORKD = {
    "tun1.netdev": f"""\
[NetDev]
Name=tun1
Kind=wireguard
[WireGuard]
PrivateKey={KEY}
ListenPort=51821
FirewallMark=0x1234
RouteTable=main
[WireGuardPeer]
PublicKey={A}
PresharedKey={PSK}
AllowedIPs=10.8.0.2/32, fd08::2/128, 10.10.0.0/16
Endpoint=192.0.2.1:1234
PersistentKeepalive=25
[WireGuardPeer]
PublicKey={B}
AllowedIPs=0.0.0.0/0, ::/0
Endpoint=[2001:db8::1]:4321
RouteTable=77
""",
    # udev gets the type from the driver.
    "tun1.network": """\
[Match]
Type=wireguard
Name=tun1
[Link]
MTUBytes=1380
[Network]
Address=10.8.0.1/24
Address=fd08::1/64
[RoutingPolicyRule]
Family=both
FirewallMark=0x1234
InvertRule=yes
Table=77
"""}
NETWORKD_MANY = {
    "tun2.netdev": f"""\
[NetDev]
Name=tun2
Kind=wireguard
[WireGuard]
PrivateKey={KEY}
ListenPort=51822
""" + "".join(f"""\
[WireGuardPeer]
PublicKey={key}
AllowedIPs={', '.join(ips)}
""" for key, ips in many(80).items()),
    "tun2.network": """\
[Match]
Name=tun2
[Network]
Address=10.7.0.1/16
"""}
NETWORK_MANAGER = {
    "one.nmconnection": f"""\
[connection]
id=one
type=wireguard
interface-name=tun1
[wireguard]
private-key={KEY}
listen-port=51821
fwmark=0x1234
mtu=1380
[wireguard-peer.{A}]
preshared-key={PSK}
preshared-key-flags=0
allowed-ips=10.8.0.2/32;fd08::2/128;10.10.0.0/16;
endpoint=192.0.2.1:1234
persistent-keepalive=25
[wireguard-peer.{B}]
allowed-ips=0.0.0.0/0;::/0;
endpoint=[2001:db8::1]:4321
[ipv4]
method=manual
address1=10.8.0.1/24
[ipv6]
method=manual
address1=fd08::1/64
""",
    "many.nmconnection": f"""\
[connection]
id=many
type=wireguard
interface-name=tun2
autoconnect=false
[wireguard]
private-key={KEY}
listen-port=51822
peer-routes=false
""" + "".join(f"""\
[wireguard-peer.{key}]
allowed-ips={';'.join(ips)};
""" for key, ips in many(16).items()) + """\
[ipv4]
method=manual
address1=10.7.0.1/16
[ipv6]
method=disabled
"""}

# Run once, after a guest has booted.
PREPARE = r"""
set -e
for folder in proc sys dev run; do
	mkdir -p /debian/$folder
	mount --bind /$folder /debian/$folder
done
ln -s /run /debian/var/run
mkdir -p /debian/tmp /debian/var/lib/NetworkManager /run/dbus \
	/run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
for user in root:0 messagebus:1 systemd-network:2; do
	echo "${user%:*}:x:${user#*:}:${user#*:}::/:/bin/false" >>/debian/etc/passwd
	echo "${user%:*}:x:${user#*:}:" >>/debian/etc/group
done
chown -R 2:2 /run/systemd/netif
echo 0123456789abcdef0123456789abcdef >/debian/etc/machine-id
cat >/debian/etc/NetworkManager/NetworkManager.conf <<'EOF'
[main]
plugins=keyfile
auth-polkit=root-only
EOF
cat >/bin/debian <<'EOF'
#!/bin/sh
export SYSTEMD_IGNORE_CHROOT=1 SYSTEMD_PAGER= PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec chroot /debian "$@"
EOF
chmod +x /bin/debian
"""
START = r"""
exec 2>&1
umask 077
say() { echo "$*"; "$@"; echo "exit $?"; }
states() {
	wg show all dump
	/sbin/ip -d link
	/sbin/ip address
	for family in -4 -6; do
		# In no order.
		/sbin/ip $family route show table all | sort
		/sbin/ip $family rule
	done
}
# What a tunnel sends to its peer is not to go through another tunnel.
/sbin/ip route add unreachable 192.0.2.1
debian dbus-daemon --system --fork
debian /lib/systemd/systemd-udevd --daemon
debian udevadm trigger --subsystem-match=net --action=add
debian udevadm settle
"""
# Also works after a partial run. Interfaces are removed with their module.
STOP = r"""
managers="systemd-networkd NetworkManager systemd-udevd dbus-daemon"
killall -q $managers
while pidof $managers >/dev/null; do sleep 0.1; done
rm -rf /run/dbus/* /run/NetworkManager /debian/var/lib/NetworkManager/* \
	/debian/etc/systemd/network/* /debian/etc/NetworkManager/system-connections/*
for family in -4 -6; do
	/sbin/ip $family -force -batch - 2>/dev/null <<'EOF'
route del unreachable 192.0.2.1
rule flush
rule add lookup main priority 32766
EOF
done
true
"""


def files(folder, owner, contents):
    """Shell commands that write configuration files that neither manager complains about."""
    return "".join(f"cat >/debian/etc/{folder}/{name} <<'EOF'\n{text}EOF\n"
                   f"chown {owner} /debian/etc/{folder}/{name}\n"
                   for name, text in contents.items())


NETWORKD_TOUR = f"""
networkd() {{
	rm -f /run/systemd/netif/links/*
	debian /lib/systemd/systemd-networkd >/tmp/networkd 2>&1 &
}}
told() {{
	say debian /lib/systemd/systemd-networkd-wait-online $* --timeout=90
	states
	debian networkctl list | sed 's/^ *[0-9]* *//'
	for interface in $*; do
		debian networkctl status ${{interface#*=}}
	done
}}
{files("systemd/network", 2, NETWORKD)}
networkd
told --interface=tun1
debian udevadm info /sys/class/net/tun1 | grep -v ^I: | sort
# Another one, while it runs.
{files("systemd/network", 2, NETWORKD_MANY)}
say debian networkctl reload
told --interface=tun1 --interface=tun2
# It finds what it made before.
killall systemd-networkd
while pidof systemd-networkd >/dev/null; do sleep 0.1; done
networkd
told --interface=tun1 --interface=tun2
say debian networkctl delete tun1 tun2
wg show interfaces
"""
NETWORK_MANAGER_TOUR = f"""
nmcli() {{
	debian nmcli "$@" | sed 's/(.*//'
}}
told() {{
	states
	debian nmcli -f GENERAL.DEVICE,GENERAL.TYPE,GENERAL.MTU,GENERAL.STATE,GENERAL.CONNECTION,IP4,IP6 \\
		device show
}}
becomes() {{
	until debian nmcli -g GENERAL.STATE device show $1 2>/dev/null | grep -qF "($2)"; do
		sleep 0.5
	done
}}
{files("NetworkManager/system-connections", 0, NETWORK_MANAGER)}
# What others have made, NetworkManager leaves as it is.
echo {KEY} >/tmp/key
/sbin/ip link add tun3 type wireguard
say wg set tun3 fwmark 7 listen-port 4713 private-key /tmp/key peer {A} allowed-ips fd0b::/16
/sbin/ip address add 10.6.0.1/24 dev tun3
/sbin/ip link set tun3 up
debian NetworkManager -n >/tmp/network-manager 2>&1 &
# On its own, as at boot.
becomes tun3 "connected (externally)"
becomes tun1 connected
told
nmcli -s -f wireguard connection show tun3
say nmcli connection modify one wireguard.listen-port 4711 wireguard.fwmark 8 \\
	ipv4.addresses 10.5.0.1/24
say nmcli connection up one
states
say nmcli connection up many
# What wg-quick would take.
cp /etc/wireguard/tun0.conf /debian/tmp
say nmcli connection import type wireguard file /tmp/tun0.conf
say nmcli connection up tun0
told
say nmcli connection down one many tun0
wg show interfaces
"""
TOURS = {"systemd-networkd": NETWORKD_TOUR,
         "NetworkManager": NETWORK_MANAGER_TOUR}
# The reports of each manager, and of the kernel, after success.
SIGNS = {
    "systemd-networkd": (
        "tun1 wireguard routable configured", "E: DEVTYPE=wireguard",
        "tun2 wireguard routable configured", "fd07:79::24/128,10.7.79.23/32",
        f"tun1 {A} {PSK} 192.0.2.1:1234 10.10.0.0/16,fd08::2/128,10.8.0.2/32",
        "32765: not from all fwmark 0x1234 lookup 77"),
    "NetworkManager": (
        "GENERAL.CONNECTION: one", "dst = 0.0.0.0/0, nh = 0.0.0.0, mt = 50, table=4660",
        "GENERAL.CONNECTION: tun0", "fd07:15::22/128,10.7.15.23/32",
        f"tun1 {A} {PSK} 192.0.2.1:1234 10.8.0.2/32,fd08::2/128,10.10.0.0/16",
        "wireguard.listen-port: 4713", "fwmark 0x8 lookup 8")}


def add_to(guest_kit, path):
    """Adds both managers to a kit. Writes its initramfs to PATH."""
    folder = subprocess.run(
        [os.path.join(kit.REPO, "scripts", "managers.sh")], check=True,
        stdout=subprocess.PIPE, text=True, timeout=900).stdout.strip()
    with open(path, "wb") as out:
        for part in guest_kit.initrd, os.path.join(folder, "managers.cpio"):
            with open(part, "rb") as archive:
                out.write(archive.read())
    return dataclasses.replace(guest_kit, initrd=path)
