#!/bin/sh
# Runs kernel tests by name, each package in one machine:
#
#	some-tests.sh EXEC PACKAGE:TEST[,TEST...]...
#
# EXEC runs a test binary in a machine, as for go test -exec. A name that no test
# has is an error, where go test would run nothing and be content; so is a test
# that does not apply.
set -eu
[ "$#" -ge 2 ] || { echo "usage: some-tests.sh EXEC PACKAGE:TEST[,TEST...]..." >&2; exit 64; }
exec=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
for group; do
	package=${group%%:*}
	names=$(echo "${group#*:}" | tr , '|')
	status=0
	"${GO:-go}" test -tags kernel -count=1 -timeout 30m -v -run "^($names)\$" -exec "$exec" "$package" >"$log" 2>&1 || status=$?
	grep -E '^(--- |FAIL|ok|panic)' "$log" || true
	for name in $(echo "$names" | tr '|' ' '); do
		grep -q "^--- PASS: $name " "$log" || { echo "$package $name did not pass" && status=1; }
	done
	[ "$status" = 0 ] || { cat "$log" && failed=1; }
done
exit "$failed"
