#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# managers.sh: makes sure that Debian's systemd-networkd and NetworkManager are in
# the cache, and prints their folder:
#	managers.cpio	a root in which they run, debian/, for guests
# Nothing is installed on this machine, whose network is its own affair.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

# With all libraries that they would bring to a machine on which there is nothing.
packages='systemd|udev|dbus-daemon|dbus-system-bus-common|network-manager'

make_managers() {
	local dir=$1 wanted
	refresh
	# shellcheck disable=SC2086 # words
	wanted=$(LC_ALL=C apt-get -s -o Dir::State::status=/dev/null --no-install-recommends \
		install ${packages//|/ } | awk '$1 == "Inst" { print $2 }' |
		grep -xE "$packages|lib.*|zlib1g" | grep -v perl) ||
		die "apt can't tell what to install: are its lists up to date?"
	# shellcheck disable=SC2086 # words
	unpack "$dir/debian" $wanted
	rm -rf "$dir"/debian/usr/share/{doc,locale,man} "$dir"/debian/lib/udev/hwdb.d
	(cd "$dir" && find debian | cpio -o -H newc -R 0:0 --quiet >managers.cpio)
	rm -r "$dir/debian"
}

cache_entry "managers-$(digest "$0")" make_managers
