#!/bin/sh
# Fuzzes each fuzz target of the given packages for a while; go test takes one
# target of one package at a time.
#
# usage: fuzz.sh TIME PACKAGE...
set -eu

GO=${GO:-go}
seconds=$1
shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# fuzz shows what go test prints and keeps it in $scratch/said. A pipe loses the
# exit status, so a failure leaves a file.
fuzz() {
	rm -f "$scratch/failed"
	{ $GO test -run '^$' -fuzz "^$2\$" -fuzztime "$seconds" -fuzzminimizetime 10x "$1" ||
		touch "$scratch/failed"; } | tee "$scratch/said"
	! test -e "$scratch/failed"
}

# Go before 1.27 can take the end of its own -fuzztime for a failure
# (golang/go#75804): one line says so, and there is no failing input.
deadline_race() {
	grep -q '^ *context deadline exceeded$' "$scratch/said" && ! grep -q 'Failing input' "$scratch/said"
}

for package in "$@"; do
	listed=$($GO test -list '^Fuzz' "$package")
	for target in $(echo "$listed" | grep '^Fuzz'); do
		echo "fuzz $target in $package for $seconds"
		tries=1
		until fuzz "$package" "$target"; do
			deadline_race && test $tries -lt 3 || exit 1
			tries=$((tries + 1))
			echo "the fuzzer tripped over its own time limit and found nothing: again"
		done
	done
done
