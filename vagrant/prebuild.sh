#!/bin/sh
# Builds the kernel tests of PACKAGES into DIRECTORY, for a machine that compiles
# nothing: the programs, the list of them with the directories of their packages,
# and the expression that names the tests.
#
# usage: prebuild.sh DIRECTORY EXPRESSION PACKAGES
set -eu

to=$1
expression=$2
shift 2
go=${GO:-go}
rm -rf "$to"
mkdir -p "$to"
# Without cgo, like the program: some tests limit its memory.
CGO_ENABLED=0 "$go" test -c -tags kernel -o "$to/" "$@"
for package; do
	echo "$(basename "$package").test $package"
done >"$to/packages"
printf '%s\n' "$expression" >"$to/names"
