#!/bin/sh
# Redraws the pictures of the documents:
#
#	pictures.sh PROGRAM LAB OUT
#
# The store is that of a model after three crashes, the log is one of a leaky
# kernel in testdata; so these pictures are always the same. The recording shows
# a demonstration that runs now: LAB boots its kernels.
set -eu
[ "$#" = 3 ] || { echo "usage: pictures.sh PROGRAM LAB OUT" >&2; exit 64; }
program=$1 lab=$2 out=$3
GO=${GO:-go}
logs=$(dirname "$0")/../testdata/crash
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# leaks COMMAND...: runs a command that must find a leak (exit code 1).
leaks() {
	code=0
	"$@" >"$work/said" || code=$?
	[ "$code" = 1 ] || { cat "$work/said"; echo "pictures.sh: exit code $code, want 1 for a leak: $*" >&2; exit 1; }
}

leaks "$program" crash simulate --kernel leaky --exceptions 600 --in-flight 32 --crashes 3 --out "$work"
"$program" map "$work/crash-3.cow" -o "$out/leaked-store.svg" >/dev/null
for name in leaky.log base.img; do
	gunzip -c "$logs/$name.gz" >"$work/$name"
done
leaks "$program" crash explore --log "$work/leaky.log" --base "$work/base.img" --origin 0+16384 --cow 16384+32768 \
	--from-mark frozen --timeline "$out/timeline.svg"
"$program" crash simulate --rates "$out/leak-rates.svg" >/dev/null
"$GO" run ./packaging/recording -o "$out/demo.svg" -title "make demo" -- "$lab" demo -out "$work/demo"
# Replace the temporary paths in titles and lines.
sed -i "s|$work/||g" "$out"/*.svg
