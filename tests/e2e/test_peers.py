# SPDX-License-Identifier: GPL-2.0
"""Peers are added, removed and moved on two CPUs under traffic, and charged to cgroups.
tests/userspace/test_link.py tests the resulting configuration."""

from forklab import audit, pcap, tunnel
from forklab.guest import all_stopped

RATE = 1000
ROUNDS = 5
CHARGED = 100           # peers
LEAST_CHARGE = 1024     # bytes for a peer and its allowed IP


def test_peers_change_under_load(bench, tunnel_up):
    """Peers are removed, added, replaced and moved to another interface and back, and their allowed
    IPs are removed and added again: no nonce is reused, and the tunnel works as before."""
    ours, stock = tunnel_up
    rate = RATE // bench.ours.machine.kit.patience
    key, peer = stock.identity.public, (
        f"peer {stock.identity.public} allowed-ips {stock.v4}/32,{stock.v6}/128 "
        f"endpoint {stock.endpoint()}")
    other = f"peer {tunnel.random_key()}"
    ip = tunnel.IP
    bench.ours.run(f"""{ip} link add tun1 type forkguard
umask 077
fwg showconf tun0 >/tmp/conf
sed -n s/PrivateKey.=.//p /tmp/conf >/tmp/private
fwg set tun1 private-key /tmp/private
{ip} link set tun1 up""")
    bench.ours.run(f"traffic -r {rate} {stock.v4} & traffic -r {rate} -p 7778 {stock.v6} &")
    bench.stock.run(f"traffic -r {rate} {ours.v4} &")
    reader = pcap.Reader(bench.ours.captures[0])
    reader.messages()
    bench.ours.run(f"""set -e
while [ ! -e /tmp/done ]; do fwg show all dump; done >/dev/null & dumps=$!
for round in $(seq {ROUNDS}); do
	fwg set tun0 peer {key} remove
	fwg set tun0 {peer}
	fwg set tun0 {other} allowed-ips {stock.v4}/32,{stock.v6}/128
	fwg set tun0 {peer}
	fwg set tun0 peer {key} allowed-ips ''
	fwg setconf tun0 /tmp/conf
	fwg set tun0 peer {key} remove
	fwg set tun1 {peer}
	{ip} route replace {stock.v4} dev tun1
	usleep 50000
	fwg set tun1 peer {key} remove
	fwg set tun0 {peer}
	{ip} route replace {stock.v4} dev tun0
	usleep 50000
done
touch /tmp/done
wait $dumps
rm /tmp/done /tmp/conf /tmp/private
fwg set tun0 {other} remove
killall traffic
{ip} link del tun1""", timeout=150)
    bench.stock.run("killall traffic")
    assert len({m.ephemeral for m in reader.messages()
                if m.sent and m.kind == pcap.INITIATION}) > 10
    for guest, target in ((bench.ours, stock), (bench.stock, ours)):
        guest.run(f"ping -c 1 -W 20 {target.v4} && ping -c 1 -W 20 {target.v6}")
    assert ours.show(bench.ours, "peers") == key
    assert bench.splats() == []
    with all_stopped(bench.folder):
        verdict = audit.judge([bench.ours.captures[0]])
    assert verdict.reused == 0 and verdict.judged > rate


def charge(guest, system, tool):
    """The bytes of kernel memory that a cgroup is charged when a process in it adds peers."""
    peers = "".join(f"[Peer]\nPublicKey = {tunnel.random_key()}\nAllowedIPs = 10.0.{n}.0/24\n"
                    for n in range(CHARGED))
    told = guest.run(f"""set -e
cgroups=/sys/fs/cgroup
mount -t cgroup2 cgroup $cgroups
echo +memory >$cgroups/cgroup.subtree_control
mkdir $cgroups/admin
modprobe {system}
{tunnel.IP} link add many type {system}
cat >/tmp/many <<END
{peers}END
sh -c 'echo $$ >$0/admin/cgroup.procs; exec {tool} setconf many /tmp/many' $cgroups
{tool} show many peers | wc -l
sed -n 's/^slab //p' $cgroups/admin/memory.stat
{tunnel.IP} link del many
rm /tmp/many
rmdir $cgroups/admin
umount $cgroups""", timeout=120)
    added, size = map(int, told.split())
    assert added == CHARGED
    return size


def test_peers_are_charged(bench):
    """The memory of peers and allowed IPs is charged to the cgroup of who adds them. The control is
    stock WireGuard, which charges nothing."""
    assert charge(bench.ours, "forkguard", "fwg") > CHARGED * LEAST_CHARGE
    assert charge(bench.stock, "wireguard", "wg") < CHARGED * LEAST_CHARGE / 4
