#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the Debian packages that are missing for building, testing and
# demonstrating forkguard. It installs no kernel.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

packages=(
	# building
	gcc make patch libc6-dev bc bison flex libelf-dev libssl-dev xz-utils cpio kmod
	pkg-config libmnl-dev libpcap-dev libsodium-dev
	# linting
	perl sparse clang-format shellcheck pycodestyle pyflakes3 groff-base
	# the lab and the tests
	qemu-system-x86 seabios busybox-static iproute2 wireguard-tools wireguard-go tcpdump ethtool
	python3 python3-pytest python3-pytest-rerunfailures util-linux git
	# the model and the fuzzers
	spin clang-14 libclang-rt-14-dev libjansson-dev
)

missing=()
for package in "${packages[@]}"; do
	status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
	[ "$status" = "ii " ] || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

say "missing Debian packages: ${missing[*]}"
[ "$(id -u)" = 0 ] || die "installing them needs root: apt-get install ${missing[*]}"
say "installing them with apt-get"
refresh
DEBIAN_FRONTEND=noninteractive timeout --foreground 1800 \
	apt-get -q -y --no-install-recommends install "${missing[@]}" >&2 </dev/null
