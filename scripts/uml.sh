#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# uml.sh: makes sure that user-mode Linux, made from Debian's kernel source with
# uml.patch and uml.config, is in the cache and prints its folder:
#	linux		the kernel, a program
#	build		KDIR of out-of-tree modules, with ARCH=um
#	build/source	the kernel's source, with checkpatch.pl
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

here=$(cd -- "$(dirname -- "$0")" && pwd)

make_source() {
	refresh
	local source=$1
	unpack "$source/deb" linux-source-6.1
	say "unpacking the kernel's source"
	tar -C "$source" --strip-components=1 -xf "$source/deb/usr/src/linux-source-6.1.tar.xz"
	rm -r "$source/deb"
	patch -d "$source" -p1 -s <"$here/uml.patch"
}

source=$(cache_entry "linux-source-6.1-$(digest "$here/uml.patch")" make_source)
cache_entry "uml-$(digest "$here"/uml.{config,patch})" make_uml "$source" "$here/uml.config"
