#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# module.sh KERNEL [VARIABLE=VALUE]...: builds forkguard.ko for a kernel and prints
# its path. Variables are passed to make. KERNEL is one of
#	6.1, 6.12		a kit of kernel.sh
#	um			user-mode Linux; includes the KUnit tests
#	debug, kcsan, faults	a kernel of debug.sh
#	debug-kunit, kcsan-kunit	the same with the KUnit tests
#	running			the running kernel, for which warnings are no errors
#
# Out-of-tree modules are built beside their source, so each kernel has a tree
# of links to the source, build/KERNEL.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

top=$(cd -- "$(dirname -- "$0")/.." && pwd)
kernel=${1-}
case $kernel in
6.1 | 6.12)
	kdir=$("$top/scripts/kernel.sh" "$kernel")/build
	arguments=(W=1 KCFLAGS=-Werror)
	;;
um)
	kdir=$("$top/scripts/uml.sh")/build
	arguments=(W=1 KCFLAGS=-Werror ARCH=um FORKGUARD_KUNIT=y)
	;;
debug | kcsan)
	kdir=$("$top/scripts/debug.sh" "$kernel")/build
	arguments=(W=1 KCFLAGS=-Werror)
	;;
debug-kunit | kcsan-kunit)
	kdir=$("$top/scripts/debug.sh" "${kernel%-kunit}")/build
	arguments=(W=1 KCFLAGS=-Werror FORKGUARD_KUNIT=y)
	;;
faults)
	kdir=$("$top/scripts/debug.sh" faults)/build
	arguments=(W=1 KCFLAGS=-Werror ARCH=um)
	;;
running)
	kdir=/lib/modules/$(uname -r)/build
	[ -d "$kdir" ] || die "$kdir is missing: install linux-headers-$(uname -r)"
	arguments=()
	;;
*)
	die "which kernel? 6.1, 6.12, um, running or one of debug.sh, not '$kernel'"
	;;
esac
shift

tree=$top/build/$kernel
mkdir -p "$tree"
exec 9>"$tree/lock"
flock -w 600 9
find "$tree" -type l -delete
cd "$top"
sources=(Kbuild module include)
[ ! -d tests/kunit ] || sources+=(tests/kunit)
find "${sources[@]}" -name Kbuild -o -name '*.[ch]' | while read -r file; do
	link=$tree/$file
	mkdir -p "${link%/*}"
	ln -s "$top/$file" "$link"
done
# BTF would need a vmlinux.
make -s -C "$kdir" M="$tree" CONFIG_DEBUG_INFO_BTF_MODULES= \
	"${arguments[@]}" "$@" modules 9>&- >&2
printf '%s\n' "$tree/forkguard.ko"
