# SPDX-License-Identifier: GPL-2.0
"""Builds a guest's initramfs: busybox, iproute2, tools, a few modules."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile

from . import LabError

# The modules that a guest needs of a stock kernel.
MODULES = ("virtio_pci", "virtio_net", "veth", "sch_netem", "sch_ingress",
           "cls_matchall", "crc32c_generic", "act_ct", "wireguard")
# Programs go to /bin, except these: busybox's shell would use its own ip and tc, the
# kernel looks for modprobe here, and wg-quick first looks in its own folder.
FOLDERS = {"ip": "/sbin", "tc": "/sbin", "modprobe": "/sbin", "wg-quick": "/usr/bin"}


def write_cpio(root, path):
    """Writes the folder root as a cpio archive, owned by root. Equal folders
    give equal archives."""
    names = sorted(os.path.relpath(os.path.join(folder, name), root)
                   for folder, folders, files in os.walk(root)
                   for name in folders + files)
    for name in names:
        os.utime(os.path.join(root, name), (0, 0), follow_symlinks=False)
    with open(path, "wb") as out:
        subprocess.run(["cpio", "--create", "--null", "--format=newc", "--owner=0:0",
                        "--reproducible", "--io-size=4096", "--quiet"], cwd=root, stdout=out,
                       input="".join(f"{name}\0" for name in names).encode(), check=True,
                       timeout=60)


def libraries(program):
    """The shared libraries of a program, including the loader."""
    found = subprocess.run(["ldd", program], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True, timeout=10)
    return re.findall(r"(/\S+) \(0x", found.stdout)


def with_dependencies(names, folder):
    """Paths, below a kernel's module folder, of modules and their dependencies."""
    needs = {}
    with open(os.path.join(folder, "modules.dep")) as lines:
        for line in lines:
            path, rest = line.split(":")
            needs[module_name(path)] = [path] + rest.split()
    with open(os.path.join(folder, "modules.builtin")) as lines:
        for line in lines:
            needs[module_name(line.strip())] = []
    missing = [n for n in names if n not in needs]
    if missing:
        raise LabError(f"no such kernel module in {folder}: {missing[0]}")
    return {path for name in names for path in needs[name]}


def module_name(path):
    return os.path.basename(path).split(".")[0].replace("-", "_")


def depends_of(module):
    """The modules on which a module outside the kernel's folder depends."""
    found = subprocess.run(["/sbin/modinfo", "-F", "depends", module],
                           stdout=subprocess.PIPE, text=True, timeout=10,
                           check=True)
    return [n.replace("-", "_") for n in found.stdout.strip().split(",") if n]


def build(path, init, release, modules, programs, extra_modules=()):
    """Writes an initramfs. modules is KIT/lib/modules/RELEASE, extra_modules
    are .ko files from elsewhere, programs a list of files to put in /bin."""
    with tempfile.TemporaryDirectory(prefix="initramfs-") as root:
        def put(source, target, mode=0o755):
            target = os.path.join(root, target.lstrip("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(source, target)
            os.chmod(target, mode)

        put(init, "/init")
        put("/bin/busybox", "/bin/busybox")
        for program in programs:
            name = os.path.basename(program)
            put(program, f"{FOLDERS.get(name, '/bin')}/{name}")
            for library in libraries(program):
                put(library, library)

        wanted = set(MODULES)
        for module in extra_modules:
            wanted.update(depends_of(module))
        target = f"/lib/modules/{release}"
        for module in with_dependencies(wanted, modules):
            put(os.path.join(modules, module), f"{target}/{module}", 0o644)
        for module in extra_modules:
            put(module, f"{target}/{os.path.basename(module)}", 0o644)
        for name in ("modules.builtin", "modules.order",
                     "modules.builtin.modinfo"):
            put(os.path.join(modules, name), f"{target}/{name}", 0o644)
        subprocess.run(["/sbin/depmod", "-b", root, release], check=True,
                       timeout=60)
        write_cpio(root, path)


def fingerprint(files):
    """A hash of the contents of files, and of their paths: a cached image is rebuilt when a file
    moves."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.encode() + b"\0")
        with open(path, "rb") as source:
            digest.update(hashlib.sha256(source.read()).digest())
    return digest.hexdigest()[:16]
