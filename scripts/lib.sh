# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Functions for the setup scripts: the cache, Debian packages without installation,
# and building kernels from source.
# Scripts print their result on stdout, and messages on stderr.

# If a command in $(cache_entry ...) fails, the script must end: a partial entry is of no use.
shopt -s inherit_errexit

cache=${FORKGUARD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/forkguard}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "error: $*"; exit 1; }

# cache_entry NAME COMMAND...: prints the folder $cache/NAME. If it does not exist yet,
# COMMAND fills a new folder, its last argument, which is then renamed: so an entry is
# complete or absent. Concurrent callers wait for the first.
cache_entry() {
	local name=$1 dir=$cache/$1
	shift
	if [ ! -d "$dir" ]; then
		mkdir -p "$cache"
		exec 9>"$cache/$name.lock"
		if ! flock -n 9; then
			say "waiting for another process that is making $dir"
			flock -w 1800 9 || die "$dir: still not made after 30 minutes"
		fi
		if [ ! -d "$dir" ]; then
			rm -rf "$dir.new"
			mkdir "$dir.new"
			"$@" "$dir.new" 9>&- >&2
			mv "$dir.new" "$dir"
		fi
		exec 9>&-
	fi
	printf '%s\n' "$dir"
}

# digest FILE...: a digest of the files, for the name of an entry that is made from them.
digest() {
	cat -- "$@" | sha256sum | cut -c 1-12
}

# depends PACKAGE: the names of the packages on which PACKAGE depends, one a line.
depends() {
	LC_ALL=C apt-cache show --no-all-versions "$1" |
		sed -n 's/^Depends: //p' | tr -s ',|' '\n' | awk '{ print $1 }'
}

# refresh: updates apt's lists. Only root can do that; other users use the present lists.
refresh() {
	[ "$(id -u)" != 0 ] || timeout --foreground 600 apt-get -q update >&2
}

# unpack DIR PACKAGE...: downloads packages and unpacks them into DIR. Nothing
# is installed.
unpack() {
	local dir=$1 debs=$1/debs
	shift
	mkdir -p "$debs"
	say "downloading $*"
	(
		cd "$debs" || exit
		# apt's own user can't access root's cache.
		timeout --foreground 1200 apt-get -q -o APT::Sandbox::User="$(id -un)" download "$@"
		for deb in *.deb; do
			dpkg -x "$deb" "$dir"
		done
	)
	rm -r "$debs"
}

# configure SOURCE OUT ARCH CONFIG: creates OUT, a folder for building a kernel, with
# allnoconfig and all options in CONFIG. A later line that ends in =n overrides an
# earlier one.
configure() {
	local source=$1 out=$2 arch=$3 config=$4 line
	mkdir "$out"
	make -s -C "$source" O="$out" ARCH="$arch" KCONFIG_ALLCONFIG="$config" allnoconfig
	# shellcheck disable=SC2094 # it is only read
	while read -r line; do
		case $line in
		*=n) ! grep -q "^${line%n}" "$out/.config" ;;
		CONFIG_*) grep -qx "$line" "$out/.config" || grep -qx "${line%=*}=n" "$config" ;;
		esac || die "$line could not be set"
	done <"$config"
}

# build OUT ARCH TARGET...: builds a configured kernel.
build() {
	local out=$1 arch=$2
	shift 2
	say "building ${out%/*}, which takes some minutes"
	nice timeout --foreground 7200 make -s -C "$out" ARCH="$arch" -j "$(nproc)" "$@"
}

# make_uml SOURCE CONFIG DIR: builds user-mode Linux, as uml.sh describes it.
make_uml() {
	local source=$1 config=$2 uml=$3
	configure "$source" "$uml/build" um "$config"
	build "$uml/build" um linux modules
	ln -s build/linux "$uml/linux"
}
