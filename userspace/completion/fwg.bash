# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Completion of fwg's words for bash.

_fwg_peers() { fwg show "$1" peers 2>/dev/null; }

# What may follow the words of `fwg set INTERFACE ...`.
_fwg_set() {
	local word peer=
	for word in "${COMP_WORDS[@]:3:COMP_CWORD-3}"; do
		[ "$word" != peer ] || peer=1
	done
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	peer) _fwg_peers "${COMP_WORDS[2]}" ;;
	private-key | preshared-key) compgen -f -- "${COMP_WORDS[COMP_CWORD]}" ;;
	fwmark | persistent-keepalive) echo off ;;
	listen-port | endpoint | allowed-ips) ;;
	*)
		if [ -n "$peer" ]; then
			echo peer remove preshared-key endpoint persistent-keepalive allowed-ips
		else
			echo listen-port fwmark private-key peer
		fi
		;;
	esac
}

_fwg_words() {
	local fields="public-key private-key listen-port fwmark peers preshared-keys endpoints
		allowed-ips latest-handshakes transfer persistent-keepalive dump"

	if [ "$COMP_CWORD" = 1 ]; then
		echo show showconf set setconf addconf syncconf reset generation monitor genkey genpsk \
			pubkey help version --json --help --version
		return
	fi
	case ${COMP_WORDS[1]}:$COMP_CWORD in
	*:2) echo --help ;;&
	showconf:2) echo --json ;;&
	show:2) echo all interfaces --json "$(fwg show interfaces 2>/dev/null)" ;;
	show:3) echo --json "$fields" ;;
	showconf:2 | set:2 | reset:2 | setconf:2 | addconf:2 | syncconf:2) fwg show interfaces 2>/dev/null ;;
	set:*) _fwg_set ;;
	setconf:3 | addconf:3 | syncconf:3) compgen -f -- "${COMP_WORDS[COMP_CWORD]}" ;;
	reset:3) echo peer ;;
	reset:4) _fwg_peers "${COMP_WORDS[2]}" ;;
	showconf:3 | generation:2 | monitor:2 | genkey:2 | genpsk:2 | pubkey:2) echo --json ;;
	esac
}

_fwg() {
	# A command with --json before it is completed like one without.
	if [ "${COMP_WORDS[1]}" = --json ] && [ "$COMP_CWORD" -gt 1 ]; then
		COMP_WORDS=("${COMP_WORDS[0]}" "${COMP_WORDS[@]:2}")
		COMP_CWORD=$((COMP_CWORD - 1))
	fi
	mapfile -t COMPREPLY < <(compgen -W "$(_fwg_words)" -- "${COMP_WORDS[COMP_CWORD]}")
}

complete -F _fwg fwg
