# SPDX-License-Identifier: GPL-2.0
"""One end of a tunnel in a guest: keys, addresses, and the commands that configure it. forkguard
and stock WireGuard differ only in the link kind and the name of the tool."""

import base64
import dataclasses
import os
import subprocess

from .kit import REPO

PORT = 51820
IP = "/sbin/ip"
TOOL = {"forkguard": "fwg", "wireguard": "wg"}
QUICK = "/usr/bin/wg-quick"
REPLACE_WIREGUARD = os.path.join(REPO, "userspace", "modprobe.d",
                                 "replace-wireguard.conf")


@dataclasses.dataclass(frozen=True)
class Identity:
    private: str
    public: str


def identity():
    def wg(command, text=""):
        return subprocess.run(["wg", command], input=text, check=True,
                              stdout=subprocess.PIPE, text=True,
                              timeout=10).stdout.strip()
    private = wg("genkey")
    return Identity(private, wg("pubkey", private))


def random_key():
    """A preshared key, or the public key of a peer that does not exist."""
    return base64.b64encode(os.urandom(32)).decode()


class End:
    """The tunnel interface of a guest. number: which end, 1 or 2; tunnel: the number of the tunnel
    between two guests."""

    def __init__(self, system, number, identity, tunnel=0):
        self.system = system
        self.number = number
        self.identity = identity
        self.tool = TOOL[system]
        self.interface = f"tun{tunnel}"
        self.port = PORT + tunnel
        self.v4 = f"10.9.{tunnel}.{number}"
        self.v6 = f"fd09:{tunnel}::{number}"

    def endpoint(self, family=4):
        """Its endpoint on a cable."""
        return (f"192.168.9.{self.number}:{self.port}" if family == 4 else
                f"[fd99::{self.number}]:{self.port}")

    def bring_up(self, other, endpoint=None, psk=None):
        """Shell commands that make the interface, with one peer. Without an endpoint, the other end
        has to send first."""
        peer = (f"peer {other.identity.public} "
                f"allowed-ips {other.v4}/32,{other.v6}/128")
        if endpoint:
            peer += f" endpoint {endpoint}"
        if psk:
            peer += " preshared-key /tmp/psk"
        return f"""set -e; umask 077
modprobe {self.system}
echo {self.identity.private} >/tmp/private
echo {psk or ''} >/tmp/psk
{IP} link add {self.interface} type {self.system}
{self.tool} set {self.interface} private-key /tmp/private listen-port {self.port} {peer}
{IP} addr add {self.v4}/24 dev {self.interface}
{IP} addr add {self.v6}/64 dev {self.interface} nodad
{IP} link set {self.interface} up
rm /tmp/private /tmp/psk
"""

    def forget_sessions(self, other):
        """Shell commands after which a new handshake is needed."""
        if self.system == "forkguard":
            return f"fwg reset {self.interface}"
        change = f"{self.tool} set {self.interface} peer {other.identity.public}"
        return (f"{change} remove && {change} endpoint {other.endpoint()} "
                f"allowed-ips {other.v4}/32,{other.v6}/128")

    def show(self, guest, field):
        return guest.run(f"{self.tool} show {self.interface} {field}").strip()


class QuickEnd(End):
    """An end that Debian's wg-quick makes. wg-quick loads WireGuard; a file in /etc/modprobe.d
    replaces that by forkguard."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.tool = "wg"

    def config(self, other, endpoint=None, psk=None):
        """Shell commands that write the configuration."""
        with open(REPLACE_WIREGUARD) as text:
            replace = text.read() if self.system == "forkguard" else ""
        return f"""set -e; umask 077
mkdir -p /etc/modprobe.d /etc/wireguard
cat >/etc/modprobe.d/forkguard.conf <<'EOF'
{replace}EOF
cat >/etc/wireguard/{self.interface}.conf <<'EOF'
[Interface]
Address = {self.v4}/24, {self.v6}/64
PrivateKey = {self.identity.private}
ListenPort = {self.port}

[Peer]
PublicKey = {other.identity.public}
{f'PresharedKey = {psk}' if psk else ''}
AllowedIPs = {other.v4}/32, {other.v6}/128
{f'Endpoint = {endpoint}' if endpoint else ''}
PersistentKeepalive = 25
EOF
"""

    def bring_up(self, other, endpoint=None, psk=None):
        return f"""{self.config(other, endpoint, psk)}
{QUICK} up {self.interface}
[ "$(cut -d' ' -f1 /proc/modules | grep -xE 'forkguard|wireguard')" = {self.system} ]
"""


def cable_up(number, card="eth0"):
    """Shell commands for end 1 or 2 of a cable between two guests."""
    return f"""{IP} addr add 192.168.9.{number}/24 dev {card}
{IP} addr add fd99::{number}/64 dev {card} nodad
{IP} link set {card} up
"""
