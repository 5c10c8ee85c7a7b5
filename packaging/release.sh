#!/bin/sh
# Makes all files of a release: the packages, a bill of materials and checksums.
#
#	release.sh VERSION OUT [ARCH...]
#
# for all architectures, or those that are named; amd64 must be among them.
set -eu
[ "$#" -ge 2 ] || { echo "usage: release.sh VERSION OUT [ARCH...]" >&2; exit 64; }
version=$1 out=${2%/}
shift 2
GO=${GO:-go}
CYCLONEDX=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
cd "$(dirname "$0")/.."
# What is in OUT is replaced when all of it is made.
final=$out out=$out.new
work=$(mktemp -d)
trap 'rm -rf "$work" "$out"' EXIT
rm -rf "$out"
packaging/build.sh "$version" "$out" "$@"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y go.mod)}"
# The bill is made from the program itself. Without a serial number and a time it
# is the same in every build.
dpkg-deb --fsys-tarfile "$out/dmsnapctl_$version-1_amd64.deb" | tar -xO ./usr/sbin/dmsnapctl >"$work/dmsnapctl"
"$GO" run -trimpath "$CYCLONEDX" bin -json -std -licenses -noserial -version "v$version" -output "$work/bill" "$work/dmsnapctl" 2>"$work/log" ||
	{ cat "$work/log" >&2; exit 1; }
sed '/"timestamp":/d' "$work/bill" >"$out/dmsnapctl_$version.cdx.json"
packaging/cut-changelog.sh "$version" "$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)" <CHANGELOG.md >"$out/CHANGELOG.md"
(cd "$out" && sha256sum -- *.deb *.rpm *.cdx.json CHANGELOG.md >SHA256SUMS)
rm -rf "$final"
mv "$out" "$final"
cmp -s CHANGELOG.md "$final/CHANGELOG.md" ||
	echo "next: cp $final/CHANGELOG.md CHANGELOG.md   # the changelog, cut for $version; commit it and tag the commit v$version"
