#!/bin/sh
# Makes the packages of a release:
#
#	build.sh VERSION OUT [ARCH...]
#
# OUT gets a .deb and a .rpm for each architecture, by Debian's names: all seven,
# or those that are named. Everything is made from the tree, the Go toolchain and
# pinned modules, and has the date of the commit, so that every build of a commit
# gives the same files. Packages order a pre-release before its release: the version
# of 1.2.3-rc1 is 1.2.3~rc1 in them. Files keep the name that was asked for, because
# a forge may rename those with a tilde.
set -eu
[ "$#" -ge 2 ] || { echo "usage: build.sh VERSION OUT [ARCH...]" >&2; exit 64; }
version=$1 out=$2
shift 2
case $version in
[0-9]*.[0-9]*.[0-9]*) ;;
*) echo "build.sh: the version is '$version': want VERSION=x.y.z" >&2; exit 64 ;;
esac
[ "$#" -gt 0 ] || set -- amd64 arm64 armhf i386 riscv64 ppc64el s390x
GO=${GO:-go}
NFPM=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
cd "$(dirname "$0")/.."
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y go.mod)}"
export SOURCE_DATE_EPOCH
commit=$(git describe --always --abbrev=12 --exclude='*' --dirty=-modified 2>/dev/null || true)
umask 022
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# gobuild OUTPUT builds for GOARCH, stripped.
gobuild() {
	CGO_ENABLED=0 "$GO" build -trimpath -tags urfave_cli_no_docs -buildvcs=false \
		-ldflags "-s -w -buildid= -X main.release=$version -X main.commit=$commit" -o "$1" ./cmd/dmsnapctl
}

gobuild "$work/host"
for arch; do
	float='' arm=''
	case $arch in
	armhf) goarch=arm arm=7 nfpm=arm7 ;;
	# Debian's i386 has no SSE2.
	i386) goarch=386 float=softfloat nfpm=386 ;;
	ppc64el) goarch=ppc64le nfpm=ppc64le ;;
	*) goarch=$arch nfpm=$arch ;;
	esac
	GOOS=linux GOARCH=$goarch GOARM=$arm GO386=$float gobuild "$work/$arch"
	for format in deb rpm; do
		stage=$work/stage
		rm -rf "$stage"
		packaging/stage.sh "$work/$arch" "$work/host" "$stage" /usr "$version"
		case $format in
		deb)
			rm -r "$stage/usr/share/zsh/site-functions"
			install -D -m 0644 packaging/lintian-overrides "$stage/usr/share/lintian/overrides/dmsnapctl"
			;;
		rpm) rm -r "$stage/usr/share/zsh/vendor-completions" "$stage/usr/share/doc/dmsnapctl/changelog.Debian.gz" ;;
		esac
		find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
		sed "s|@STAGE@|$stage|; s|@ARCH@|$nfpm|; s|@VERSION@|$version|" packaging/nfpm.yaml >"$work/nfpm.yaml"
		"$GO" run "$NFPM" package --config "$work/nfpm.yaml" --packager $format --target "$out/" >"$work/log" 2>&1 ||
			{ cat "$work/log" >&2; exit 1; }
	done
	for file in "$out"/*~*; do
		[ ! -e "$file" ] || mv "$file" "$out/$(basename "$file" | tr '~' -)"
	done
	echo "packaged for $arch"
done
