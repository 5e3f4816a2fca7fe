#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# uml.sh: makes sure that user-mode Linux, made from Debian's kernel source and
# uml.config, is in the cache and prints its folder:
#	linux		the kernel, a program
#	build		KDIR of out-of-tree modules, with ARCH=um
#	build/source	the kernel's source, with checkpatch.pl
set -eu
# shellcheck source=tests/setup/lib.sh
. "$(dirname -- "$0")/lib.sh"

config=$(cd -- "$(dirname -- "$0")" && pwd)/uml.config

make_source() {
	refresh
	local source=$1
	unpack "$source/deb" linux-source-6.1
	say "unpacking the kernel's source"
	tar -C "$source" --strip-components=1 -xf "$source/deb/usr/src/linux-source-6.1.tar.xz"
	rm -r "$source/deb"
}

source=$(cache_entry linux-source-6.1 make_source)
cache_entry "uml-$(sha256sum <"$config" | cut -c 1-12)" make_uml "$source" "$config"
