#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debug.sh debug|kcsan|faults: makes sure that a kernel that watches itself is in
# the cache and prints its folder. Made from the source that uml.sh has fetched:
#	debug, kcsan	x86-64 kernels for guests of the lab, with what kernel.sh
#			says of a kit
#	faults		user-mode Linux, with what uml.sh says of it
set -eu
# shellcheck source=tests/setup/lib.sh
. "$(dirname -- "$0")/lib.sh"

here=$(cd -- "$(dirname -- "$0")" && pwd)

# configure SOURCE OUT ARCH CONFIG: allnoconfig and what CONFIG asks for, all of it.
configure() {
	local source=$1 out=$2 line
	mkdir "$out"
	make -s -C "$source" O="$out" ARCH="$3" KCONFIG_ALLCONFIG="$4" allnoconfig
	while read -r line; do
		case $line in
		*=n) ! grep -q "^${line%n}" "$out/.config" ;;
		CONFIG_*) grep -qx "$line" "$out/.config" ;;
		esac || die "$line could not be set"
	done <"$4"
}

make_kit() {
	local source=$1 config=$2 kit=$3
	say "building the kernel $kind, which takes some minutes"
	configure "$source" "$kit/build" x86_64 "$config"
	nice timeout --foreground 7200 make -s -C "$kit/build" -j "$(nproc)" bzImage modules
	make -s -C "$kit/build" INSTALL_MOD_PATH="$kit" modules_install
	make -s -C "$kit/build" kernelrelease >"$kit/release"
	cp "$kit/build/arch/x86/boot/bzImage" "$kit/vmlinuz"
}

make_uml() {
	local source=$1 config=$2 uml=$3
	say "building the kernel $kind, which takes some minutes"
	configure "$source" "$uml/build" um "$config"
	nice timeout --foreground 7200 make -s -C "$uml/build" ARCH=um -j "$(nproc)" linux modules
	ln -s build/linux "$uml/linux"
}

kind=${1-}
case $kind in
debug)	command=make_kit configs=(debug.config debug-kasan.config) ;;
kcsan)	command=make_kit configs=(debug.config debug-kcsan.config) ;;
faults)	command=make_uml configs=(uml.config debug-faults.config) ;;
*)	die "which kernel? debug, kcsan or faults, not '$kind'" ;;
esac

source=$(realpath -e -- "$("$here/uml.sh")/build/source")
config=$(mktemp)
trap 'rm -f "$config"' EXIT
(cd "$here" && cat "${configs[@]}") >"$config"
cache_entry "$kind-$(sha256sum <"$config" | cut -c 1-12)" "$command" "$source" "$config"
