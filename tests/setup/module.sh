#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# module.sh 6.1|6.12|um [VARIABLE=VALUE]...: builds forkguard.ko for a kernel
# kit or for user-mode Linux, there with its KUnit tests, and prints its path.
# A warning in it is an error. Variables go to make.
#
# Out-of-tree modules are built beside their source, so each kernel has a tree
# of links to the source: build/KERNEL.
set -eu
# shellcheck source=tests/setup/lib.sh
. "$(dirname -- "$0")/lib.sh"

top=$(cd -- "$(dirname -- "$0")/../.." && pwd)
kernel=${1-}
case $kernel in
6.1 | 6.12)
	kit=$("$top/tests/setup/kernel.sh" "$kernel")
	arguments=(W=1)
	;;
um)
	kit=$("$top/tests/setup/uml.sh")
	arguments=(W=1 ARCH=um FORKGUARD_KUNIT=y)
	;;
*)
	die "which kernel? 6.1, 6.12 or um, not '$kernel'"
	;;
esac
shift

tree=$top/build/$kernel
mkdir -p "$tree"
exec 9>"$tree/lock"
flock -w 600 9
find "$tree" -type l -delete
cd "$top"
find Kbuild module include tests/kunit -name Kbuild -o -name '*.[ch]' | while read -r file; do
	link=$tree/$file
	mkdir -p "${link%/*}"
	ln -s "$top/$file" "$link"
done
# There is no vmlinux to make BTF from.
make -s -C "$kit/build" M="$tree" KCFLAGS=-Werror CONFIG_DEBUG_INFO_BTF_MODULES= \
	"${arguments[@]}" "$@" modules 9>&- >&2
printf '%s\n' "$tree/forkguard.ko"
