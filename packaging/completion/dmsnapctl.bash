# bash completion for dmsnapctl. The program itself finds the completions.
# shellcheck shell=bash disable=SC2034,SC2207

_dmsnapctl() {
	local cur prev words cword line paths='' IFS=$'\n'
	_get_comp_words_by_ref -n =: cur prev words cword || return
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		:*) paths=${line#:} ;;
		*) COMPREPLY+=("$(printf '%q' "${line%%$'\t'*}")") ;;
		esac
	done < <("${words[0]}" complete -- "${words[@]:1:cword}" 2>/dev/null)
	# Bash begins a new word at = and at :.
	if [[ $cur == --*=* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${cur%%=*}="}")
		cur=${cur#*=}
	fi
	case $paths in
	files) _filedir ;;
	dirs) _filedir -d ;;
	esac
	__ltrim_colon_completions "$cur"
} && complete -F _dmsnapctl dmsnapctl
