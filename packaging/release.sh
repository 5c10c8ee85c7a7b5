#!/bin/sh
# Makes all files of a release: the packages, a bill of materials and checksums.
#
#	release.sh VERSION OUT
set -eu
[ "$#" = 2 ] || { echo "usage: release.sh VERSION OUT" >&2; exit 64; }
version=$1 out=$2
GO=${GO:-go}
CYCLONEDX=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
cd "$(dirname "$0")/.."
rm -rf "$out"
packaging/build.sh "$version" "$out"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y go.mod)}"
# Without a serial number and a time it is the same whenever it is made.
"$GO" run "$CYCLONEDX" app -json -licenses -noserial -main cmd/dmsnapctl -output "$out/dmsnapctl_$version.cdx.json" . 2>"$out/sbom.log" ||
	{ cat "$out/sbom.log" >&2; exit 1; }
rm "$out/sbom.log"
sed -i '/"timestamp":/d' "$out/dmsnapctl_$version.cdx.json"
packaging/cut-changelog.sh "$version" "$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)" <CHANGELOG.md >"$out/CHANGELOG.md"
(cd "$out" && sha256sum -- *.deb *.rpm *.cdx.json CHANGELOG.md >SHA256SUMS)
cmp -s CHANGELOG.md "$out/CHANGELOG.md" ||
	echo "next: cp $out/CHANGELOG.md CHANGELOG.md   # the changelog, cut for $version; commit it and tag the commit v$version"
