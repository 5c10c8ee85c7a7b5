#!/bin/sh
# Turns the unreleased part of the changelog on stdin into that of VERSION.
#
#	cut-changelog.sh VERSION DATE <CHANGELOG.md
#
# If the changelog already has the version, or VERSION is empty, nothing changes.
set -eu
version=${1:-} date=${2:-}
text=$(cat)
if [ -z "$version" ] || printf '%s\n' "$text" | grep -q "^## $version\b"; then
	printf '%s\n' "$text"
else
	printf '%s\n' "$text" | sed "s/^## Unreleased\$/## Unreleased\n\n## $version - $date/"
fi
