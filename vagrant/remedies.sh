#!/bin/sh
# The table of the remedies in docs/crash-findings.md: the same workloads, recorded
# and explored on the distribution's snapshot target and on the one with the remedies.
#
#	remedies.sh EXEC
#
# EXEC runs a program in a machine, as for go test -exec, and takes -mended as a
# further word: "bin/lab exec", or "bin/lab exec -kernel 7.2". A remedy that leaves anything bad is an error, and so is a row that
# is bad on neither.
set -eu
[ "$#" -eq 1 ] || { echo "usage: remedies.sh EXEC" >&2; exit 64; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# EXEC is words. The table says which kernel it is of.
kernel=$($1 /bin/uname -r)
for kind in stock mended; do
	exec=$1 tests='TestInvalidationIsNotFlushed|TestCreationIsNotFlushed|TestTornCommitComesAlive'
	[ "$kind" = stock ] || exec="$1 -mended" tests="$tests|TestReproducers"
	"${GO:-go}" test -tags kernel -count=1 -timeout 30m -v -exec "$exec" ./verify/crash \
		-run "^($tests)\$" >"$dir/log" 2>&1 ||
		{ cat "$dir/log"; exit 1; }
	sed -n 's/.*table: //p' "$dir/log" >"$dir/$kind"
done
awk -F ': ' -v kernel="Linux $kernel" '
	NR == FNR { bad[$1] = $2; of[$1] = $3; n++; next }
	FNR == 1 { printf "%-44s %14s %14s\n", kernel, "stock", "mended" }
	{
		printf "%-44s %14s %14s\n", $1, bad[$1] " of " of[$1], $2 " of " $3
		after = $1 ~ /one crash/
		if ($2 != 0 || !($1 in bad) || !after && bad[$1] == 0) wrong = 1
		rows++
	}
	END { exit wrong || rows != n || rows < 6 }
' "$dir/stock" "$dir/mended" || { echo "remedies: the table is not as it must be"; exit 1; }
