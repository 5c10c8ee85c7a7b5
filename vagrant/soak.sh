#!/bin/sh
# Runs the attacks, each package in a machine of its own, all at the same time, and
# prints one table:
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
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# attack PACKAGE LOG. Progress goes to stderr: attacks as they begin, and their
# results.
attack() {
	{ DMSNAPCTL_TEST_SOAK=$percent CGO_ENABLED=0 "${GO:-go}" test -tags kernel -count=1 -timeout 5h -v -run '^TestAttack' -exec "$exec" "$1" 2>&1 ||
		echo "soak failed: $1"; } |
		tee "$2" |
		grep --line-buffered -E '^(=== RUN +[A-Za-z]+|soak:.*)$' |
		sed -u -E 's/^=== RUN +//; s/^[A-Za-z]+$/& .../; s/^soak:\t(.*)\t.*\t(.*)\t(.*)$/\1: \2 in \3 s/' >&2
}

n=0
for package; do
	n=$((n + 1))
	attack "$package" "$logs/$n" &
done
wait
failed=0
if grep -q '^soak failed' "$logs"/*; then
	cat "$logs"/*
	failed=1
fi
# The table, for a note: no attack at all is a failure, too.
cat "$logs"/* | awk -F '\t' '
	BEGIN { print "| attack | rounds | result | seconds |"; print "|---|---:|---|---:|" }
	$1 == "soak:" { printf "| %s | %s | %s | %s |\n", $2, $3, $4, $5; n++ }
	END { exit n == 0 }' || failed=1
exit "$failed"
