# SPDX-License-Identifier: GPL-2.0
"""A guest: one QEMU process, its shell, its captures.

Guests never outlive the lab: the kernel kills them when the process that
started them ends.
"""

import base64
import contextlib
import ctypes
import dataclasses
import glob
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

from . import EmulatorError, LabError
from .gdbstub import Debugger
from .kit import REPO
from .memory import Memory
from .pcap import Capture
from .qmp import Qmp

BOOT_TIMEOUT = 90       # seconds
BOOTS = 3
PR_SET_PDEATHSIG = 1
SPLAT = re.compile("WARNING:|BUG:|kernel BUG|Oops|invalid opcode|refcount_t|"
                   "general protection|Kernel panic|unregister_netdevice:|"
                   "UBSAN:|ODEBUG:|leaked|INFO: (possible|trying)|"
                   "detected stalls|soft lockup|"
                   "self-detected stall|starved for|blocked for more than")
RACE = "BUG: KCSAN: "
# Races of the kernel itself: it reads without a lock the time, virtio's state of a
# ring, a timer's base, whether a timer is pending, whether the scheduler's timer is
# active, and lengths in a table of routes.
KNOWN_RACE = re.compile(
    "data-race in (ktime_get_seconds / timekeeping_advance"
    r"|(virtqueue|vring)_\w+ / (virtqueue|vring)_\w+$"
    "|(__mod_timer|enqueue_timer|detach_if_pending) / lock_timer_base$"
    r"|detach_if_pending / fwg_timers_data_(sent|received) "
    r"\[forkguard\]$"
    "|__hrtimer_run_queues / hrtimer_active"
    "|fib_table_lookup / update_suffix)")
# Mapping a page changes a counter in the task. An interrupt may do so, too, and undoes it.
COUNT_OF_TASK = re.compile(
    r"data-race in (scatterwalk_copychunks|sg_miter_next)\S*( \[crypto_algapi\])?"
    r" / (scatterwalk_copychunks|sg_miter_next)\S*( \[crypto_algapi\])?$")
RULER = "=" * 40        # the last line of KCSAN's report
# Code of modules, also of an unloaded one. A ? marks unreliable entries of a backtrace.
OURS = re.compile(r"^(?!\[ *[0-9.]+\]\s+\? ).*(\[forkguard\]|0xffffffff[ac-f][0-9a-f]{7}\b)",
                  re.M)
FLAGS = re.compile(r"EFLAGS: ([0-9a-f]{8})")
ALWAYS, NEVER = 0x2, 0xffc08028    # bits of EFLAGS that are set, or clear, on any x86
_libc = ctypes.CDLL(None)


def lost_flags(console):
    """Do registers that a kernel has printed show flags that no CPU can have? Then its emulator has
    lost them, and took some branch that the code did not take."""
    return any(int(flags, 16) & (ALWAYS | NEVER) != ALWAYS for flags in FLAGS.findall(console))


def acceleration():
    """KVM if the CPU's flags have it, otherwise TCG. The presence of /dev/kvm proves nothing."""
    with open("/proc/cpuinfo") as text:
        flags = set(next((line for line in text if line.startswith("flags")),
                         "").split())
    if flags & {"vmx", "svm"} and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", "max"]


class Cable:
    """Joins network cards of two guests by UDP, on a loopback address of its own. Packets are lost
    while a guest does not listen. A unix socket would block the sender instead, and QEMU 7.2 does
    not unblock a card that was saved in that state."""

    PORTS = (20001, 20002)

    def __init__(self):
        self.host = "127." + ".".join(str(random.randint(1, 254))
                                      for _ in range(3))

    def plug(self, end):
        """The plug at one end, 0 or 1, for a guest."""
        return Plug(self.host, self.PORTS[end], self.PORTS[1 - end])


@dataclasses.dataclass(frozen=True)
class Plug:
    host: str
    local: int
    remote: int

    def backend(self, name):
        return (f"dgram,id={name},"
                f"local.type=inet,local.host={self.host},"
                f"local.port={self.local},"
                f"remote.type=inet,remote.host={self.host},"
                f"remote.port={self.remote}")


@dataclasses.dataclass(frozen=True)
class Machine:
    """The configuration of a guest and all its forks."""
    kit: object
    cpus: int = 1
    memory: int = 256
    mac: int = 1
    generation_device: bool = True
    cpu: str = ""           # a model of QEMU's, instead of the best one


@dataclasses.dataclass(frozen=True)
class Output:
    status: int
    text: str


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A guest at one instant: its devices in a file, and its memory."""
    path: str
    memory: Memory

    def __fspath__(self):
        return self.path


class Guest:
    """A new guest boots at once. A guest made from a snapshot answers after wait_restored() and is
    paused until cont(). A leaf copies memory only when it writes to it, and can neither be forked
    nor searched."""

    def __init__(self, name, machine, plugs, folder, snapshot=None,
                 leaf=False):
        self.name = name
        self.machine = machine
        self.folder = folder
        self.generation = str(uuid.uuid4())
        self.console = os.path.join(folder, f"{name}.console")
        # All cards of a guest have one MAC, because a clone may be plugged into
        # another card, and still has its old neighbour's address in its cache.
        mac = bytes((0x52, 0x54, 0, 0, 0, machine.mac))
        self.captures = [Capture(os.path.join(folder, f"{name}.{i}.pcap"), mac)
                         for i in range(len(plugs))]
        self._sockets = [os.path.join(folder, f"{name}.{s}")
                         for s in ("qmp", "shell", "gdb")]
        self._snapshot = snapshot
        self._leaf = leaf
        self._plugs = plugs
        self._mac = mac
        _running.append(self)
        self._spawn()
        if not snapshot:
            self._boot()

    def _qemu_command(self):
        machine = self.machine
        command = ["qemu-system-x86_64", "-name", self.name,
                   "-M", "q35,memory-backend=memory",
                   "-object", "memory-backend-file,id=memory,"
                              f"share={'off' if self._leaf else 'on'},"
                              f"size={machine.memory}M,"
                              f"mem-path={self._memory.path}",
                   *acceleration(),
                   *(("-cpu", machine.cpu) if machine.cpu else ()),
                   "-smp", str(machine.cpus), "-m", str(machine.memory),
                   "-nodefaults", "-no-user-config", "-display", "none",
                   "-no-reboot", "-S",
                   "-kernel", machine.kit.vmlinuz,
                   "-initrd", machine.kit.initrd,
                   # On a busy machine, emulated timers are late, and the kernel
                   # would panic when it tests the IO-APIC's timer.
                   "-append", "console=ttyS0 loglevel=5 panic=-1 no_timer_check "
                              f"{machine.kit.arguments}",
                   "-chardev", f"file,id=console,path={self.console}",
                   "-serial", "chardev:console",
                   "-chardev", f"socket,id=shell,path={self._sockets[1]},"
                               "server=on,wait=off",
                   "-serial", "chardev:shell",
                   "-qmp", f"unix:{self._sockets[0]},server=on,wait=off"]
        if machine.generation_device:
            command += ["-device", f"vmgenid,guid={self.generation}"]
        for i, plug in enumerate(self._plugs):
            command += ["-netdev", plug.backend(f"n{i}"),
                        "-device", f"virtio-net-pci,netdev=n{i},romfile=,"
                                   f"mac={self._mac.hex(':')}"]
        if self._snapshot:
            command += ["-incoming", "defer"]
        return command

    def _spawn(self):
        # It may be killed at any time from here on.
        self._process = self._qmp = self._shell = self._stream = None
        self._requests = 0
        self._memory = Memory() if not self._snapshot else \
            self._snapshot.memory if self._leaf else \
            self._snapshot.memory.copy()
        with open(os.path.join(self.folder, f"{self.name}.qemu"), "w") as log:
            self._process = subprocess.Popen(
                self._qemu_command(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, preexec_fn=_die_with_parent)

    def _connect(self):
        log = os.path.join(self.folder, f"{self.name}.qemu")
        try:
            self._qmp = Qmp(self._sockets[0])
        except (LabError, OSError) as error:
            raise LabError(f"{error}; see {log}: {_tail(log)}") from None
        # Connect before the guest runs: an unconnected port loses bytes.
        self._shell = socket.socket(socket.AF_UNIX)
        self._shell.connect(self._sockets[1])
        self._stream = self._shell.makefile("rb")
        # Snapshots do not include the memory, which is a file of its own.
        self._qmp("migrate-set-capabilities", capabilities=[
            {"capability": "x-ignore-shared", "state": True}])

    def _boot(self):
        self._connect()
        self._start_captures()
        self.cont()

    def _start_captures(self):
        for i, capture in enumerate(self.captures):
            self._qmp("object-add", id=f"dump{i}", file=capture.path,
                      netdev=f"n{i}", maxlen=65535,
                      **{"qom-type": "filter-dump"})

    def wait_ready(self):
        """Waits until the shell of a booting guest answers. Sometimes an emulated stock kernel
        crashes before it reaches userspace; then the guest is started again."""
        for boot in range(BOOTS):
            if boot:
                self._spawn()
                self._boot()
            self._shell.settimeout(BOOT_TIMEOUT * self.machine.kit.patience)
            try:
                if self._stream.readline() == b"ready\n":
                    return
            except OSError:
                pass
            last_words = _tail(self.console)
            self._end()
            os.rename(self.console, f"{self.console}.unborn")
            print(f"{self.name}: did not boot: {last_words}", file=sys.stderr)
        raise LabError(f"{self.name}: did not boot, {BOOTS} times")

    def try_run(self, command, timeout=30):
        """Runs a shell command in the guest."""
        timeout *= self.machine.kit.patience
        self._shell.settimeout(timeout)
        self._requests += 1
        encoded = base64.b64encode(command.encode()).decode()
        try:
            self._shell.sendall(f"{self._requests} {encoded}\n".encode())
            while True:
                line = self._stream.readline().split()
                if not line:
                    raise self.ended(command)
                if int(line[0]) == self._requests:
                    break
            text = self._stream.read(int(line[2])).decode(errors="replace")
        except TimeoutError:
            self._look_for_the_dead(command)
            raise LabError(f"{self.name}: no answer in {timeout} s: {command}"
                           ) from None
        except OSError:
            raise self.ended(command) from None
        return Output(int(line[1]), text)

    def run(self, command, timeout=30):
        """Like try_run(), but raises an error if the command fails."""
        output = self.try_run(command, timeout)
        if output.status:
            self._look_for_the_dead(command)
            raise LabError(f"{self.name}: {command}: exit {output.status}: "
                           f"{output.text.strip()}")
        return output.text

    def _look_for_the_dead(self, command):
        """Raises an error if a command failed because another guest has ended."""
        for other in guests(self.folder):
            if not other.alive:
                raise other.ended(f"{self.name}'s {command}")

    def _ask(self, command, **arguments):
        try:
            return self._qmp(command, **arguments)
        except OSError:
            raise self.ended(command) from None

    def ended(self, command):
        """The exception to raise if QEMU has ended. It quotes the guest's last output, and says
        whether forkguard was involved there or in a complaint of another guest. QEMU 7.2 sometimes
        loses flags or an address, or hits a breakpoint that the kernel has just replaced with code;
        then any kernel may panic anywhere, within forkguard only if its flags are impossible. The
        console is kept for inspection."""
        try:
            status = self._process.wait(5)
        except subprocess.TimeoutExpired:
            status = None
        consoles = [_tail(path, -1) for path in glob.glob(os.path.join(self.folder, "*.console"))]
        ours = any(OURS.search(text) and not lost_flags(text) for text in consoles)
        kind = LabError if status is None or ours else EmulatorError
        crashes = os.path.join(REPO, "build", "crashes")
        os.makedirs(crashes, exist_ok=True)
        shutil.copy(self.console, os.path.join(
            crashes, f"{self.name}-{time.time():.0f}"))
        log = _tail(os.path.join(self.folder, f"{self.name}.qemu"))
        return kind(f"{self.name}: QEMU ended at {command}: status {status}: "
                    f"{log} {_tail(self.console, 8000)}")

    def stop(self):
        self._ask("stop")

    def cont(self):
        self._ask("cont")

    @property
    def memory(self):
        """The path of a file that is the guest's RAM."""
        return self._memory.path

    @property
    def alive(self):
        """Is its QEMU running?"""
        return self._process.poll() is None

    def registers(self):
        """The registers of all CPUs, vector registers included, as text."""
        return self._ask("human-monitor-command",
                         **{"command-line": "info registers -a"})

    def debugger(self):
        """Attaches a debugger, which stops the guest."""
        self._ask("human-monitor-command", **{
            "command-line": f"gdbserver unix:{self._sockets[2]},"
                            "server=on,wait=off"})
        return Debugger(self._sockets[2])

    def save(self, path, timeout=60):
        """Writes a snapshot of the guest to path; the guest stays stopped."""
        self.stop()
        self._ask("migrate", uri=f"exec:cat > '{path}'")
        deadline = time.monotonic() + timeout
        while True:
            status = self._ask("query-migrate").get("status")
            if status == "completed":
                break
            if status in ("failed", "cancelled"):
                raise LabError(f"{self.name}: snapshot {status}")
            if time.monotonic() > deadline:
                raise LabError(f"{self.name}: snapshot took over {timeout} s")
            time.sleep(0.005)
        _say_paused(path)
        return Snapshot(path, self._memory.copy())

    def wait_restored(self, timeout=60):
        """Waits until a guest made from a snapshot is ready for cont()."""
        self._connect()
        self._qmp("migrate-incoming",
                  uri=f"exec:cat '{self._snapshot.path}'")
        deadline = time.monotonic() + timeout
        while self._ask("query-status")["status"] == "inmigrate":
            if time.monotonic() > deadline:
                raise LabError(f"{self.name}: not restored in {timeout} s")
            time.sleep(0.005)
        # Not before: earlier packets would be stamped by another clock.
        self._start_captures()

    def kill(self):
        if self in _running:
            _running.remove(self)
        self._end()

    def _end(self):
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._memory = None
        for end in (self._qmp, self._stream, self._shell):
            if end:
                end.close()
        for path in self._sockets:
            if os.path.exists(path):
                os.unlink(path)


_running = []


def guests(folder):
    """The guests of one run that have not been killed."""
    return [guest for guest in _running if guest.folder == folder]


def splats(folder):
    """All complaints of the kernels of all guests in a run."""
    found = []
    for path in sorted(glob.glob(os.path.join(folder, "*.console"))):
        with open(path, errors="replace") as text:
            lines = text.read().splitlines()
        found += [f"{os.path.basename(path)}: {line.strip()}"
                  for number, line in enumerate(lines) if SPLAT.search(line)
                  and not (RACE in line and _is_foreign(lines[number:]))]
    return found


def _is_foreign(report):
    """Does a data race not involve the module?"""
    if KNOWN_RACE.search(report[0]):
        return True
    end = next((number for number, line in enumerate(report) if RULER in line),
               len(report))
    text = "\n".join(report[:end])
    if COUNT_OF_TASK.search(report[0]):
        cpus = re.findall(r"of \d+ bytes by .* on (cpu \d+)", text)
        return len(cpus) == 2 and cpus[0] == cpus[1] and \
            text.count(" of 4 bytes by ") == 2 and "value changed" not in text
    return end < len(report) and "[forkguard]" not in text


def settle(captures, patience=5):
    """Waits until captures stop growing: packets that were in flight when a guest was stopped are
    still captured."""
    deadline = time.monotonic() + patience
    sizes = None
    while time.monotonic() < deadline:
        before, sizes = sizes, [os.path.getsize(path) for path in captures]
        if sizes == before:
            return
        time.sleep(0.1)
    raise LabError(f"captures of stopped guests grew for {patience} s")


@contextlib.contextmanager
def all_stopped(folder):
    """Stops every guest of a run, so that captures do not grow."""
    for guest in guests(folder):
        guest.stop()
    settle([c.path for guest in guests(folder) for c in guest.captures
            if os.path.exists(c.path)])
    try:
        yield
    finally:
        for guest in guests(folder):
            guest.cont()


def _say_paused(path):
    """Changes the saved run state to "paused": QEMU 7.2 can't restore a guest that was saved while
    a debugger had stopped it."""
    with open(path, "rb+") as file:
        state = file.read()
        at = state.find(b"\0\0\0\x06debug\0\0")
        if at >= 0:
            file.seek(at)
            file.write(b"\0\0\0\x07paused\0")


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _tail(path, size=400):
    """The end of a file; a size of -1 is all of it."""
    with open(path, "rb") as text:
        return text.read()[-size if size > 0 else 0:].decode(
            errors="replace").strip()
