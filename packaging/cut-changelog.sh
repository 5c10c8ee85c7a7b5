#!/bin/sh
# Turns the unreleased part of the changelog on stdin into that of VERSION.
#
#	cut-changelog.sh VERSION DATE <CHANGELOG.md
#
# If the changelog already has the version, or VERSION is empty, nothing changes. A
# pre-release such as 1.2.3-rc1 is another version than 1.2.3.
set -eu
version=${1:-} date=${2:-}
text=$(cat)
name=$(printf '%s\n' "$version" | sed 's/\./\\./g')
if [ -z "$version" ] || printf '%s\n' "$text" | grep -q "^## $name\( \|\$\)"; then
	printf '%s\n' "$text"
else
	printf '%s\n' "$text" | sed "s/^## Unreleased\$/## Unreleased\n\n## $version - $date/"
fi
