#!/bin/sh
# Cuts a release out of the changelog on stdin: what was unreleased is of
# VERSION now.
#
#	cut-changelog.sh VERSION DATE <CHANGELOG.md
#
# A changelog that has the version already, or an empty VERSION, stays as it is.
set -eu
version=${1:-} date=${2:-}
text=$(cat)
if [ -z "$version" ] || printf '%s\n' "$text" | grep -q "^## $version\b"; then
	printf '%s\n' "$text"
else
	printf '%s\n' "$text" | sed "s/^## Unreleased\$/## Unreleased\n\n## $version - $date/"
fi
