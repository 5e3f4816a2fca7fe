#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh 6.1|6.12: makes sure that the kit of a stock Debian kernel is in the
# cache and prints its folder:
#	vmlinuz			the kernel
#	release			its name, as uname -r prints it
#	lib/modules/RELEASE/	its modules, uncompressed
#	build			KDIR of out-of-tree modules
# Nothing is installed on this machine. To get a newer kernel of the same
# series, remove the folder.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

make_kit() {
	local meta=$1 kit=$2 release version header_packages headers
	refresh
	# The meta package changes with each update: image and headers must both be of the ABI that
	# it names now.
	release=$(depends "$meta" | sed -n 's/^linux-image-//p' | head -n 1)
	[ -n "$release" ] || die "apt knows no $meta: are its lists up to date?"
	version=$(LC_ALL=C apt-cache show --no-all-versions "$meta" | sed -n 's/^Version: //p')
	mapfile -t header_packages < <(depends "linux-headers-$release" |
		grep -E '^linux-(headers|kbuild)-')
	unpack "$kit" "linux-image-$release=$version" "linux-headers-$release=$version" \
		"${header_packages[@]/%/=$version}"

	say "preparing $release"
	cp "$kit/boot/vmlinuz-$release" "$kit/vmlinuz"
	find "$kit/lib/modules/$release" -name '*.ko.xz' -print0 | xargs -0 -r -P 2 -n 64 xz -d
	depmod -b "$kit" "$release"
	# The headers' Makefile includes the common one by its installed path. All other links are
	# relative.
	headers=usr/src/linux-headers-$release
	# shellcheck disable=SC2016 # make expands it, not the shell
	sed -i 's|^include /|include $(dir $(lastword $(MAKEFILE_LIST)))../../../|' \
		"$kit/$headers/Makefile"
	ln -s "$headers" "$kit/build"
	printf '%s\n' "$release" >"$kit/release"
}

case ${1-} in
6.1)	meta=linux-image-amd64 ;;
6.12)	meta=linux-image-6.12-amd64 ;;
*)	die "which kernel? 6.1 or 6.12, not '${1-}'" ;;
esac
cache_entry "kernel-$1" make_kit "$meta"
