# SPDX-License-Identifier: GPL-2.0
# bash completion for fwg-audit: its options; all else is files.

_fwg_audit() {
	local word=${COMP_WORDS[COMP_CWORD]}

	COMPREPLY=()
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--json --quiet --memory --help --version' -- "$word")
	fi
}

complete -o default -F _fwg_audit fwg-audit
