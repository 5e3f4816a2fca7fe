#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# source.sh: makes sure that the source of Debian's kernel 6.1, patched with uml.patch, is
# in the cache, and prints its folder.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

patch=$(cd -- "$(dirname -- "$0")" && pwd)/uml.patch

make_source() {
	refresh
	local source=$1
	unpack "$source/deb" linux-source-6.1
	say "unpacking the kernel's source"
	tar -C "$source" --strip-components=1 -xf "$source/deb/usr/src/linux-source-6.1.tar.xz"
	rm -r "$source/deb"
	patch -d "$source" -p1 -s <"$patch"
}

cache_entry "linux-source-6.1-$(digest "$patch")" make_source
