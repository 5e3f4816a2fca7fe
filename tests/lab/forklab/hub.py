# SPDX-License-Identifier: GPL-2.0
"""A forkguard interface with many peers. One guest is the hub. Another guest has
the first few of its peers, on stock WireGuard; the others do not exist."""

import base64
import dataclasses
import glob
import json
import os
import subprocess
import tempfile

from . import LabError, audit, fork, initramfs, kit, pcap, tunnel
from .guest import Cable, Guest, Machine, all_stopped, splats

CONFIG = "/etc/hub.conf"
MAC = bytes((0x52, 0x54, 0, 0, 0, 1))   # of the hub, as guest.py has it
RATE = 200          # packets/s each way, to and from all peers together
STREAM_PORT = 7779
RECOVERY = 60       # the longest wait for new sessions, seconds
SILENCE = 20        # seconds without a packet after which a stream has ended


class Hub:
    """Both ends, without the machines. live: the number of peers that exist;
    idle: of those that do not. self.guest and self.peers run commands."""

    def __init__(self, say, live, idle):
        self.say = say
        self.identity = tunnel.identity()
        # One interface at this end, with an address for each tunnel.
        self.ends = [(tunnel.End("forkguard", 1, self.identity, number),
                      tunnel.End("wireguard", 2, tunnel.identity(), number))
                     for number in range(live)]
        self.idle = idle
        self.size = live + idle

    def write_config(self, path):
        with open(path, "w") as file:
            file.write("[Interface]\n"
                       f"PrivateKey = {self.identity.private}\n"
                       f"ListenPort = {tunnel.PORT}\n")
            for _, end in self.ends:
                file.write(f"[Peer]\nPublicKey = {end.identity.public}\n"
                           f"AllowedIPs = {end.v4}/32, {end.v6}/128\n"
                           f"Endpoint = {end.endpoint()}\n")
            for number in range(self.idle):
                file.write(f"[Peer]\nPublicKey = {tunnel.random_key()}\n"
                           f"AllowedIPs = {idle_address(number)}/32\n"
                           "Endpoint = 192.168.9.2:9\n")
                if number % 2:
                    file.write(f"PresharedKey = {tunnel.random_key()}\n")

    def configure(self):
        """Makes the tunnels, and a session with every peer that exists.
        Returns the seconds that setconf took."""
        self.peers.run(tunnel.cable_up(2) + "".join(
            there.bring_up(here) for here, there in self.ends), timeout=180)
        self.guest.run(tunnel.cable_up(1) + "modprobe forkguard\n"
                       f"{tunnel.IP} link add tun0 type forkguard")
        begun = self.uptime()
        self.guest.run(f"fwg setconf tun0 {CONFIG}", timeout=180)
        took = self.uptime() - begun
        self.guest.run("".join(f"{tunnel.IP} addr add {here.v4}/24 dev tun0\n"
                               for here, _ in self.ends) +
                       f"{tunnel.IP} link set tun0 up\n"
                       f"{tunnel.IP} route add 10.128.0.0/9 dev tun0\n",
                       timeout=60)
        self.ping()
        return took

    def uptime(self):
        """The guest's clock."""
        return float(self.guest.run("cat /proc/uptime").split()[0])

    def ping(self):
        """Seconds until every peer has answered. Sends several pings, because
        other packets may push one out of the queue."""
        begun = self.uptime()
        missing = self.guest.run(
            f"for peer in {self.addresses(1)}; do\n"
            f"(for i in $(seq {RECOVERY}); do ping -c 1 -W 1 $peer >/dev/null "
            "&& exit; done; echo $peer) &\ndone; wait",
            timeout=2 * RECOVERY).split()
        if missing:
            raise LabError(f"silent for {RECOVERY} s: {' '.join(missing)}")
        return self.uptime() - begun

    def addresses(self, end, number=None):
        return " ".join(pair[end].v4 for pair in self.ends[:number])

    def talk(self, number=None):
        """Starts traffic in both directions with the first few peers."""
        self.guest.run(f"traffic -r {RATE} {self.addresses(1, number)} &")
        self.peers.run(f"traffic -r {RATE} {self.addresses(0, number)} &")

    def hush(self):
        for guest in (self.guest, self.peers):
            guest.run("killall -q traffic; true")

    def reset(self, count, rate=1000, burst=1, ends=()):
        """Resets the interface, or these ends in turn. Returns the output of
        resets.c."""
        keys = " ".join(base64.b64decode(end.identity.public).hex()
                        for _, end in ends)
        return json.loads(self.guest.run(
            f"resets -n {count} -r {rate} -b {burst} tun0 {keys}",
            timeout=30 + 5 * count // rate))

    def config(self):
        """A hash of the configuration."""
        return self.guest.run("fwg showconf tun0 | md5sum", timeout=60)

    def matching(self, field, condition):
        """How many peers satisfy an awk condition."""
        return int(self.guest.run(
            f"fwg show tun0 {field} | awk '{condition} {{ n++ }} "
            "END { print n + 0 }'", timeout=60))

    def losses(self):
        """The numbers of packets that the interface has dropped: while sealing
        them, and because its queue was full."""
        return tuple(int(self.guest.run(
            f"cat /sys/class/net/tun0/statistics/{name}"))
            for name in ("tx_errors", "tx_dropped"))

    def memory(self):
        """Bytes of kernel memory, without caches."""
        told = dict(line.split(":") for line in self.guest.run(
            "sync; echo 3 >/proc/sys/vm/drop_caches; sleep 1; "
            "cat /proc/meminfo").splitlines())
        return 1024 * sum(int(told[name].split()[0])
                          for name in ("Slab", "Percpu", "VmallocUsed"))

    def stream(self, number, count, rate):
        """Starts a numbered stream to a peer. Returns a function that waits
        for its end and returns the output of numbered.c."""
        seconds = count // rate + SILENCE
        self.peers.run(f"numbered receive {STREAM_PORT} {count} {SILENCE} "
                       ">/tmp/numbered")
        self.guest.run(f"numbered send {self.ends[number][1].v4} "
                       f"{STREAM_PORT} {count} {rate} &")

        def finish():
            for guest in (self.guest, self.peers):
                guest.run("while pidof numbered >/dev/null; do sleep 0.1; "
                          "done", timeout=2 * seconds)
            return json.loads(self.peers.run("cat /tmp/numbered"))
        return finish


class Guests(Hub):
    """The two machines as guests of QEMU, on a stock kernel."""

    def __init__(self, kernel, folder, say, live, idle, memory=256,
                 peers_memory=256):
        super().__init__(say, live, idle)
        self.folder = folder
        root = os.path.join(folder, "root")
        os.makedirs(os.path.join(root, "etc"))
        self.write_config(root + CONFIG)
        self.cable = Cable()
        kits = [self._kit(kernel, system, root) for system in kit.SYSTEMS]
        say(f"booting a hub with {self.size} peers, {live} of which exist, "
            f"on {kits[0].release}")
        self.guest = Guest("hub.0", Machine(kits[0], cpus=2, memory=memory,
                                            mac=1),
                           [self.cable.plug(0)], folder)
        self.peers = Guest("peers", Machine(kits[1], memory=peers_memory,
                                            mac=2),
                           [self.cable.plug(1)], folder)
        self.guest.wait_ready()
        self.peers.wait_ready()

    def _kit(self, kernel, system, root):
        """A kernel's kit with additional files: an initramfs may consist of several
        archives."""
        found = kit.load(kernel, system)
        joined = os.path.join(self.folder, f"{system}.cpio")
        initramfs.write_cpio(root, joined + ".more")
        with open(joined, "wb") as out:
            for path in (found.initrd, joined + ".more"):
                with open(path, "rb") as part:
                    out.write(part.read())
        return dataclasses.replace(found, initrd=joined)

    def fork(self):
        """Replaces the hub by a clone of itself."""
        original = self.guest
        [snapshot] = fork.snapshot([original])
        original.kill()
        [self.guest] = fork.restore(
            snapshot, original.machine,
            {f"{original.name}.clone": [self.cable.plug(0)]}, self.folder)
        fork.resume([self.guest])

    def judge(self):
        """The verdict on all captures, and the complaints of the kernels."""
        with all_stopped(self.folder):
            verdict = audit.judge([
                pcap.Capture(path, MAC) for path in
                glob.glob(os.path.join(self.folder, "*.pcap"))])
        return verdict, splats(self.folder)


class Here(Hub):
    """The two machines as namespaces of this machine, which is meant to be
    user-mode Linux: at native speed, but on one CPU."""

    def __init__(self, _, folder, say, live, idle):
        super().__init__(say, live, idle)
        self.capture = os.path.join(folder, "cable.pcap")
        os.environ["PATH"] = ":".join([
            os.path.join(kit.REPO, "build"),
            *map(os.path.dirname, kit.guest_programs("forkguard")),
            os.environ["PATH"]])
        self.write_config(CONFIG)
        self.guest = Namespace()
        self.guest.run(
            f"{tunnel.IP} netns add peers && {tunnel.IP} link add eth0 "
            "type veth peer name eth0 netns peers && "
            f"{tunnel.IP} link set eth0 up address {MAC.hex(':')}")
        self.peers = Namespace("peers")
        self._tcpdump = subprocess.Popen(
            ["tcpdump", "-Z", "root", "-i", "eth0", "-B", "16384",
             "-w", self.capture, "udp"], stderr=subprocess.DEVNULL)

    def judge(self):
        """The verdict on the capture. The program that started this kernel looks
        for complaints."""
        self._tcpdump.terminate()
        self._tcpdump.wait()
        return audit.judge([pcap.Capture(self.capture, MAC)]), []


class Namespace:
    """Runs commands in a namespace, with the interface of a guest."""

    def __init__(self, name=None):
        self._prefix = [tunnel.IP, "netns", "exec", name] if name else []

    def run(self, command, timeout=30):
        # Output goes to a file: background processes would keep a pipe open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                self._prefix + ["busybox", "sh", "-c",
                                "modprobe() { :; }\n" + command],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                timeout=timeout, check=False)
            output.seek(0)
            text = output.read()
        if done.returncode:
            raise LabError(f"{command}: exit {done.returncode}: {text}")
        return text


def idle_address(number):
    return f"10.{128 + number // 65536}.{number // 256 % 256}.{number % 256}"
