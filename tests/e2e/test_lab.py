# SPDX-License-Identifier: GPL-2.0
"""The lab itself: its documented behavior, and its verdicts."""

import contextlib
import glob
import os
import signal
import subprocess
import time

import pytest
from forklab import EmulatorError, LabError, audit, kit, report, scenes
from forklab.guest import OURS, Guest, Machine, lost_flags
from forklab.session import session
from forklab.timeline import Timeline

LAB = os.path.join(kit.LAB, "lab")
UNDEFINED = b"\x0f\x0b"  # ud2


def qemus_of(process):
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as text:
        children = text.read().split()
    found = []
    for child in children:
        with open(f"/proc/{child}/comm") as name:
            if name.read().startswith("qemu"):
                found.append(child)
    return found


def heed_interrupts():
    """A shell's background processes ignore interrupts by default."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start_lab(tmp_path):
    """A running lab with both of its guests, and their process numbers."""
    process = subprocess.Popen(
        [LAB, "run", "rollback", "--system", "wireguard"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        preexec_fn=heed_interrupts)
    deadline = time.monotonic() + 60
    while len(qemus_of(process)) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    return process, qemus_of(process)


def running(pids):
    alive = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as text:
                if text.read().rpartition(")")[2].split()[0] != "Z":
                    alive.append(pid)
        except FileNotFoundError:
            pass
    return alive


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGTERM,
                                    signal.SIGINT))
def test_guests_never_outlive_the_lab(tmp_path, number):
    process, guests = start_lab(tmp_path)
    assert running(guests) == guests
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode != 0
    deadline = time.monotonic() + 5
    while running(guests) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running(guests) == []
    if number != signal.SIGKILL:
        assert glob.glob(f"{tmp_path}/*") == []


@pytest.mark.parametrize("words, named", (
    (["run", "nowhere"], "nowhere"),
    (["run", "rollback", "--kernel", "2.4"], "2.4"),
    (["run", "rollback", "--rounds", "none"], "none"),
    (["run", "rollback", "--clones", "0"], "0"),
    (["fork"], "fork"),
))
def test_bad_words_are_named(words, named):
    done = subprocess.run([LAB, *words], stderr=subprocess.PIPE, text=True,
                          timeout=20)
    assert done.returncode != 0
    assert named in done.stderr.splitlines()[-1]


class Recovered(Timeline):
    """A machine with traffic in both directions under a new key."""

    def __init__(self):
        self.window = []
        self.new_sent = self.new_received = 0.1


REUSE = {"kind": "transport"}


def summary(reused=0, shared=0, recovered=True, kept=True, splats=()):
    clone, original = Recovered(), Recovered()
    if not recovered:
        clone.new_received = None
    original.window = [None]
    original.new_sent = None if kept else 0.1
    return report.Summary([scenes.Round(
        "", "", "", 1000, [clone], [original], [], shared,
        audit.Verdict(1000, (REUSE,) * reused, reused), list(splats))])


def test_a_zero_counts_only_beside_a_control_that_is_not():
    assert report.faults(summary(), summary(reused=1)) == []
    assert "inconclusive" in report.faults(summary(), summary())[0]
    assert "inconclusive" in report.faults(None, summary())[0]


def test_one_message_from_two_clones_is_no_fault():
    """It was encrypted before the fork. If the two differed, fwg-audit would count a reuse."""
    assert report.faults(summary(shared=1), summary(reused=1)) == []


@pytest.mark.parametrize("fault", (
    {"reused": 1}, {"recovered": False}, {"kept": False},
    {"splats": ["WARNING: CPU: 0"]}))
def test_every_fault_is_found(fault):
    assert len(report.faults(summary(**fault), summary(reused=1))) == 1


@pytest.mark.parametrize("line, ours", (
    ("RIP: 0010:fwg_get_generation+0x0/0xd0 [forkguard]", True),
    (" fwg_xmit+0x26/0x800 [forkguard]", True), (" 0xffffffffc0123456", True),
    (" ? fwg_xmit+0x26/0x800 [forkguard]", False), (" tcp_v4_rcv+0x16/0x80", False)))
def test_what_a_part_in_a_panic_is(line, ours):
    assert bool(OURS.search(f"[    7.783377] x\n[    7.783397] {line}\n")) == ours


@pytest.mark.parametrize("flags, lost", (
    ("00010246", False), ("00000202", False), ("00210a87", False), ("42b8f602", True),
    ("00010244", True), ("0001024a", True)))
def test_flags_that_no_cpu_has(flags, lost):
    """42b8f602 was seen where a NULL pointer had just been compared with NULL."""
    assert lost_flags(f"[    8.147615] RSP: 0018:ff7a6653004631d8 EFLAGS: {flags}\n") == lost


@pytest.mark.parametrize("last_command, kind", (
    ("true", EmulatorError), ("echo c >/proc/sysrq-trigger", EmulatorError),
    ("fwg generation", LabError)), ids=("qemu", "kernel", "ours"))
def test_whose_end_it_was(last_command, kind):
    """A guest's panic in forkguard is forkguard's fault. The end of QEMU without any output of its
    guest is not, nor is a panic that does not involve forkguard."""
    with session() as folder:
        guest = Guest("alone", Machine(kit.load("6.1", "forkguard")), [],
                      folder)
        guest.wait_ready()
        guest.run("modprobe forkguard; sysctl -w kernel.panic_on_oops=1")
        function = guest.run("grep ' fwg_get_generation.*forkguard' /proc/kallsyms")
        with contextlib.closing(guest.debugger()) as debugger:
            debugger.write(int(function.split()[0], 16), UNDEFINED)
        guest.cont()
        with pytest.raises(LabError) as caught:
            guest.run(last_command)
            guest._process.kill()    # as if it had crashed
            guest.stop()
    assert caught.type is kind
    assert ("Kernel panic" in str(caught.value)) == (last_command != "true")
