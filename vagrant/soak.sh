#!/bin/sh
# Runs the attacks, each package in one machine, and prints one table:
#
#	soak.sh EXEC PERCENT PACKAGE...
#
# EXEC runs a test binary in a machine, as for go test -exec. PERCENT is how many
# of their rounds the attacks make. The tests are built without cgo, like the
# program: its memory is limited.
set -eu
[ "$#" -ge 3 ] || { echo "usage: soak.sh EXEC PERCENT PACKAGE..." >&2; exit 64; }
exec=$1
percent=$2
shift 2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for package; do
	# Progress goes to stderr: attacks as they begin, and their results.
	{ DMSNAPCTL_TEST_SOAK=$percent CGO_ENABLED=0 "${GO:-go}" test -tags kernel -count=1 -timeout 5h -v -run '^TestAttack' -exec "$exec" "$package" 2>&1 ||
		echo "soak failed: $package"; } |
		tee -a "$log" |
		grep --line-buffered -E '^(=== RUN +[A-Za-z]+|soak:.*)$' |
		sed -u -E 's/^=== RUN +//; s/^[A-Za-z]+$/& .../; s/^soak:\t(.*)\t.*\t(.*)\t(.*)$/\1: \2 in \3 s/' >&2
done
failed=0
if grep -q '^soak failed' "$log"; then
	cat "$log"
	failed=1
fi
# The table, for a note: no attack at all is a failure, too.
awk -F '\t' '
	BEGIN { print "| attack | rounds | result | seconds |"; print "|---|---:|---|---:|" }
	$1 == "soak:" { printf "| %s | %s | %s | %s |\n", $2, $3, $4, $5; n++ }
	END { exit n == 0 }' "$log" || failed=1
exit "$failed"
