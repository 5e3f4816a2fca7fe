# SPDX-License-Identifier: GPL-2.0
"""Kernels and initramfs images for guests, both cached."""

import dataclasses
import os
import shutil
import subprocess
import time

from . import LabError, initramfs

LAB = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPO = os.path.dirname(os.path.dirname(LAB))
DAY = 24 * 3600
DEBUG_KERNELS = ("debug", "kcsan")     # see scripts/debug.sh
# As with Debian's kernels, the RNG is ready at once. An emulated TSC may be measured
# wrongly, so it is not used as a clock. KCSAN watches more accesses, and longer, than
# by default.
DEBUG_ARGUMENTS = ("random.trust_cpu=on tsc=unstable "
                   "clocksource=hpet kunit.enable=1 "
                   "kcsan.skip_watch=500 kcsan.udelay_task=300")
DEBUG_PATIENCE = 6
KERNELS = tuple(os.environ.get("FORKGUARD_KERNELS", "6.1 6.12").split())
SYSTEMS = ("forkguard", "wireguard")


@dataclasses.dataclass(frozen=True)
class Kit:
    """A kernel and an initramfs that boot together."""
    kernel: str
    release: str
    vmlinuz: str
    initrd: str
    arguments: str = ""     # for the kernel
    patience: int = 1       # factor for timeouts, compared to a stock kernel


def cache():
    base = os.environ.get("FORKGUARD_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
        "forkguard")
    path = os.path.join(base, "lab")
    os.makedirs(path, exist_ok=True)
    return path


def kernel_folder(kernel):
    setup = os.path.join(REPO, "scripts", "debug.sh" if kernel in
                         DEBUG_KERNELS else "kernel.sh")
    done = subprocess.run([setup, kernel], stdout=subprocess.PIPE, text=True,
                          timeout=900)
    if done.returncode:
        raise LabError(f"{setup} {kernel} failed")
    return done.stdout.strip().splitlines()[-1]


def guest_programs(system):
    """The lab's own programs in a guest."""
    names = ["traffic", "numbered", "ask"] + \
        ["resets"] * (system == "forkguard")
    return [guest_program(name) for name in names]


def guest_program(name):
    source = os.path.join(LAB, "guest", name + ".c")
    uapi = os.path.join(REPO, "include", "uapi")
    path = os.path.join(cache(), f"{name}-" + initramfs.fingerprint(
        [source, os.path.join(LAB, "guest", "program.h"),
         os.path.join(LAB, "guest", "genl.h"),
         os.path.join(uapi, "linux", "forkguard.h")]), name)
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        made = f"{path}.{os.getpid()}"  # other processes may be making it, too
        subprocess.run(["gcc", "-static", "-O2", "-Wall", "-Wextra",
                        "-I", uapi, "-o", made, source],
                       check=True, timeout=120)
        os.rename(made, path)
    return path


def forget_unused():
    """Removes images that were not used for a day; newer ones may be in use by other labs."""
    for name in os.listdir(cache()):
        path = os.path.join(cache(), name)
        if name.startswith("initramfs-") and \
                os.path.getmtime(path) < time.time() - DAY:
            os.unlink(path)


def find_program(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        raise LabError(f"program not installed: {name}")
    return path


def load(kernel, system, module=None, quick=False):
    """The kit for a kernel. It includes forkguard only if that is under test, so that a control is
    the software that Debian ships. module: the forkguard.ko, if not the one built for that kernel.
    quick: adds Debian's wg-quick and the programs that it calls."""
    folder = kernel_folder(kernel)
    with open(os.path.join(folder, "release")) as text:
        release = text.read().strip()
    modules = os.path.join(folder, "lib", "modules", release)
    programs = [find_program("ip"), find_program("tc"), find_program("wg"),
                *guest_programs(system)]
    if quick:
        programs += [find_program(name) for name in
                     ("wg-quick", "bash", "modprobe", "genl")]
    extra = []
    if system == "forkguard":
        programs.append(os.path.join(REPO, "build", "fwg"))
        extra.append(module or os.path.join(REPO, "build", kernel,
                                            "forkguard.ko"))
        for path, target in ((programs[-1], "userspace"), (extra[0], "module")):
            if not os.path.exists(path):
                raise LabError(f"not built: {path} (make {target})")
    init = os.path.join(LAB, "guest", "init")
    name = initramfs.fingerprint(
        [init, initramfs.__file__, "/bin/busybox",
         os.path.join(modules, "modules.dep")] + programs + extra)
    initrd = os.path.join(cache(), f"initramfs-{release}-{system}-{name}.cpio")
    if not os.path.exists(initrd):
        forget_unused()
        new = f"{initrd}.{os.getpid()}"
        initramfs.build(new, init, release, modules, programs, extra)
        os.rename(new, initrd)
    os.utime(initrd)
    found = Kit(kernel, release, os.path.join(folder, "vmlinuz"), initrd)
    if kernel in DEBUG_KERNELS:
        found = dataclasses.replace(found, arguments=DEBUG_ARGUMENTS,
                                    patience=DEBUG_PATIENCE)
    return found
