# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# bash completion for fwg.
#
# Names of files and interfaces may contain shell code. None of them goes through compgen -W, which
# expands its words.

# Splits the line up to the cursor into $words, without --json. Bash itself also splits at = and :,
# which keys and endpoints contain.
_fwg_split() {
	local rest=$COMP_LINE piece
	for piece in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
		if [[ ${#words[@]} = 0 || $rest == [[:blank:]]* ]]; then
			[ "${words[*]: -1}" != --json ] || unset 'words[-1]'
			words+=('')
			rest=${rest#"${rest%%[![:blank:]]*}"}
		fi
		words[-1]+=$piece
		rest=${rest#"$piece"}
	done
}

# Offers those of the given words that begin with what stands before the cursor, quoted.
_fwg_offer() {
	local word
	for word; do
		printf -v word %q "$word"
		[[ $word != "$cur"* ]] || COMPREPLY+=("$word")
	done
}

_fwg_interfaces() {
	local names
	read -ra names < <(fwg show interfaces 2>/dev/null)
	_fwg_offer "${names[@]}"
}

_fwg_peers() {
	local keys
	mapfile -t keys < <(fwg show "${words[2]}" peers 2>/dev/null)
	_fwg_offer "${keys[@]}"
}

# readline completes and quotes file names itself.
_fwg_files() {
	compopt -o default
}

# The arguments of `fwg set INTERFACE ...`.
_fwg_set() {
	local i word peer=''
	for ((i = 3; i < at; i++)); do
		word=${words[i]}
		[ "$word" != peer ] || peer=1
		[ "$word" = remove ] || i=$((i + 1))
	done
	if [ "$i" = "$at" ]; then
		_fwg_offer peer
		if [ -n "$peer" ]; then
			_fwg_offer remove preshared-key endpoint persistent-keepalive allowed-ips
		else
			_fwg_offer listen-port fwmark private-key
		fi
		return
	fi
	case $word in
	peer) _fwg_peers ;;
	private-key | preshared-key) _fwg_files ;;
	fwmark | persistent-keepalive) _fwg_offer off ;;
	esac
}

_fwg_arguments() {
	case ${words[1]}:$at in
	*:2) _fwg_offer --help ;;&
	show:[23] | showconf:[23] | generation:[24] | monitor:2 | genkey:2 | genpsk:2 | pubkey:2)
		_fwg_offer --json
		;;&
	show:2) _fwg_offer all interfaces ;;&
	show:2 | showconf:2 | set:2 | reset:2 | setconf:2 | addconf:2 | syncconf:2) _fwg_interfaces ;;
	show:3)
		_fwg_offer public-key private-key listen-port fwmark peers preshared-keys endpoints \
			allowed-ips latest-handshakes transfer persistent-keepalive dump
		;;
	set:*) _fwg_set ;;
	setconf:3 | addconf:3 | syncconf:3) _fwg_files ;;
	reset:3) _fwg_offer peer ;;
	reset:4) _fwg_peers ;;
	generation:2) _fwg_offer --require ;;
	generation:3) _fwg_offer packet notifier ;;
	help:2) _fwg_offer "${commands[@]}" ;;
	esac
}

_fwg() {
	local IFS=$' \t\n' cur=$2 words=() at
	local commands=(show set showconf setconf addconf syncconf reset generation monitor genkey
		genpsk pubkey)

	COMPREPLY=()
	_fwg_split
	at=$((${#words[@]} - 1))
	if [ "$at" = 1 ]; then
		_fwg_offer "${commands[@]}" help version --json --help --version
	else
		_fwg_arguments
	fi
	# Within a word, bash completes only what stands behind its last = or :.
	[ "${words[at]}" = "${COMP_WORDS[COMP_CWORD]}" ] || COMPREPLY=()
}

complete -F _fwg fwg
