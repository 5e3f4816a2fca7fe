#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debug.sh debug|kcsan|faults: makes sure that a kernel with debugging checks, built
# from source.sh's kernel source, is in the cache, and prints its folder:
#	debug		x86-64 with KASAN, lockdep and kmemleak, as a kit like kernel.sh's
#	kcsan		the same with KCSAN
#	faults		user-mode Linux, like uml.sh's, with fault injection
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

here=$(cd -- "$(dirname -- "$0")" && pwd)

make_kit() {
	local source=$1 config=$2 kit=$3
	configure "$source" "$kit/build" x86_64 "$config"
	build "$kit/build" x86_64 bzImage modules
	make -s -C "$kit/build" INSTALL_MOD_PATH="$kit" modules_install
	make -s -C "$kit/build" kernelrelease >"$kit/release"
	cp "$kit/build/arch/x86/boot/bzImage" "$kit/vmlinuz"
}

kind=${1-}
case $kind in
debug)	command=make_kit configs=(debug.config debug-kasan.config) ;;
kcsan)	command=make_kit configs=(debug.config debug-kcsan.config) ;;
faults)	command=make_uml configs=(uml.config debug-faults.config) ;;
*)	die "which kernel? debug, kcsan or faults, not '$kind'" ;;
esac

source=$("$here/source.sh")
config=$(mktemp)
trap 'rm -f "$config"' EXIT
(cd "$here" && cat "${configs[@]}") >"$config"
cache_entry "$kind-$(digest "$config" "$here/uml.patch")" "$command" "$source" "$config"
