# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# bash completion for fwg-audit: its long options and files, which readline completes itself.

_fwg_audit() {
	COMPREPLY=()
	case $3 in
	-f | --filter | -m | --memory) return ;;
	esac
	if [[ $2 == -* ]]; then
		mapfile -t COMPREPLY < <(
			compgen -W "$(fwg-audit --help 2>/dev/null | grep -o -e '--[a-z]*')" -- "$2")
	else
		compopt -o default
	fi
}

complete -F _fwg_audit fwg-audit
