# SPDX-License-Identifier: GPL-2.0
"""Everything that a tunnel does, in one guest: forkguard, and stock WireGuard in a namespace."""

from forklab import tunnel

IP = tunnel.IP
RATE = 300  # packets a second, each way

# Changes of the configuration during traffic.
CHANGES = """\
i=0
while [ $i -lt 5 ]; do
	fwg set {dev} peer {one} allowed-ips 10.8.0.0/16,10.8.1.0/24,fd08::/64 endpoint 192.168.9.2:9 \\
		persistent-keepalive 1 peer {two} allowed-ips 10.7.0.0/16 \\
		endpoint 192.168.9.2:9 persistent-keepalive 25
	fwg set {dev} peer {two} allowed-ips 10.8.1.0/24,fd08::/64
	fwg show {dev} >/dev/null
	fwg reset {dev}
	ping -c 1 -W 30 {to}
	fwg set {dev} listen-port $((52000 + i)) fwmark $i peer {one} remove
	fwg reset {dev} peer {peer}
	ping -c 1 -W 30 {to}
	fwg set {dev} peer {two} remove
	i=$((i + 1))
done
"""

STREAM = """\
echo 'tail -f /dev/null | nc -l -p 5000 >/tmp/received' >/tmp/inside
{ip} netns exec other sh /tmp/inside &
head -c 300000 /dev/urandom >/tmp/sent
sleep 1
nc {to} 5000 </tmp/sent
sleep 2
cmp /tmp/sent /tmp/received
killall tail
"""


def tour(machine):
    """Runs the tour in a guest, and unloads the module at the end."""
    ours = tunnel.End("forkguard", 1, tunnel.identity())
    stock = tunnel.End("wireguard", 2, tunnel.identity())
    psk = tunnel.random_key()

    def inside(commands):
        machine.run(f"cat >/tmp/inside <<'EOF'\n{commands}\nEOF\n"
                    f"{IP} netns exec other sh /tmp/inside")

    machine.run(
        f"set -e; modprobe veth; {IP} netns add other\n"
        f"{IP} link add here type veth peer name there netns other\n" + tunnel.cable_up(1, "here")
    )
    inside(tunnel.cable_up(2, "there") + f"{IP} link set lo up\n" + stock.bring_up(ours, psk=psk))
    machine.run(ours.bring_up(stock, stock.endpoint(), psk))
    machine.run(f"ping -c 1 -W 20 {stock.v4} && ping -6 -c 1 -W 20 {stock.v6}")
    machine.run(STREAM.format(ip=IP, to=stock.v4), timeout=60)

    # Two senders, so that two CPUs can send at the same time.
    machine.run(f"traffic -r {RATE} {stock.v4} & traffic -p 7778 -r {RATE} {stock.v4} &")
    inside(f"traffic -r {RATE} {ours.v4} &")
    words = {"dev": ours.interface, "to": stock.v4, "peer": stock.identity.public}
    words |= {"one": tunnel.random_key(), "two": tunnel.random_key()}
    machine.run("set -e\n" + CHANGES.format(**words), timeout=120)
    for state in ("down", "up"):
        machine.run(f"{IP} link set {ours.interface} {state}")
    machine.run(f"ping -c 1 -W 20 {stock.v4}")

    machine.run(f"{IP} netns add doomed && {IP} link set {ours.interface} netns doomed")
    machine.run(f"{IP} netns del doomed; sleep 1; killall traffic; {IP} netns del other; sleep 1")
    machine.run(f"{IP} link add {ours.interface} type forkguard && rmmod forkguard")
