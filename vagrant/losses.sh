#!/bin/sh
# Crashes the leaky kernel, and draws what each crash lost over the band of the
# model:
#
#	losses.sh LAB OUT.svg
#
# LAB runs a program in a machine: "bin/lab exec". User-mode Linux has 36 crashes,
# and the distribution's kernel on several CPUs 12.
set -eu
[ "$#" -eq 2 ] || { echo "usage: losses.sh LAB OUT.svg" >&2; exit 64; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for runs in uml=6 qemu=2; do
	DMSNAPCTL_TEST_LOSSES=${runs#*=} "${GO:-go}" test -tags kernel -count=1 -timeout 25m -v -run '^TestLosses$' \
		-exec "$1 -engine ${runs%=*} -leaky" ./verify/crash >"$log.new" 2>&1 || { cat "$log.new"; rm -f "$log.new"; exit 1; }
	cat "$log.new" >>"$log"
	rm -f "$log.new"
done
"${GO:-go}" run ./testdata/losses -o "$2" -least uml=30 -least smp=10 <"$log"
