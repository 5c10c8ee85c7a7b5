#!/bin/sh
# Runs the attacks, each package in one machine, and prints one table:
#
#	soak.sh EXEC PERCENT PACKAGE...
#
# EXEC runs a test binary in a machine, as for go test -exec. PERCENT is how many
# of their rounds the attacks make.
set -eu
[ "$#" -ge 3 ] || { echo "usage: soak.sh EXEC PERCENT PACKAGE..." >&2; exit 64; }
exec=$1
percent=$2
shift 2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
for package; do
	DMSNAPCTL_TEST_SOAK=$percent "${GO:-go}" test -tags kernel -count=1 -timeout 120m -v -run '^TestAttack' -exec "$exec" "$package" >>"$log" 2>&1 || failed=1
done
[ "$failed" = 0 ] || cat "$log"
# The table, for a note: no attack at all is a failure, too.
awk -F '\t' '
	BEGIN { print "| attack | rounds | result | seconds |"; print "|---|---:|---|---:|" }
	$1 == "soak:" { printf "| %s | %s | %s | %s |\n", $2, $3, $4, $5; n++ }
	END { exit n == 0 }' "$log" || failed=1
exit "$failed"
