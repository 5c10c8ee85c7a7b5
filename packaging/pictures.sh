#!/bin/sh
# Draws the pictures of the documents anew:
#
#	pictures.sh PROGRAM OUT
#
# The store is a model's, after three crashes; the log is one that a leaky
# kernel wrote, kept in testdata. What is drawn hangs on nothing else.
set -eu
[ "$#" = 2 ] || { echo "usage: pictures.sh PROGRAM OUT" >&2; exit 64; }
program=$1 out=$2
logs=$(dirname "$0")/../testdata/crash
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# leaks COMMAND...: runs what is to find a leak, which is exit code 1.
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
# Titles name the store by the path that it had; that of this run is gone.
sed -i "s|$work/||g" "$out"/*.svg
