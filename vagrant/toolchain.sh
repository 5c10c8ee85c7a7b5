#!/bin/sh
# Installs the Go release that PROJECT's go.mod asks for, as /usr/local/go, and
# make, unless the machine has that release or a newer one. Debian's own Go is too
# old to build the project, but it can fetch a newer one: as a module, which it
# checks against the public checksum database.
#
# usage: toolchain.sh PROJECT
set -eu

project=$1
target=/usr/local/go
release=go$(awk '$1 == "go" { print $2 }' "$project/go.mod")

has() { # whether Go's program $1 is of this release or newer
	found=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
	[ "$(printf '%s\n%s\n' "$release" "$found" | sort -V | head -n 1)" = "$release" ]
}
if command -v make >/dev/null && { has "$target/bin/go" || has go; }; then
	exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "toolchain.sh: installing Go takes root and apt-get" >&2
	exit 1
fi

echo "toolchain.sh: installing $release"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends ca-certificates golang-go make

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
module=golang.org/toolchain
version=v0.0.1-$release.linux-$(go env GOARCH)
(cd / && GOTOOLCHAIN=local GOFLAGS=-modcacherw GOMODCACHE="$work" go mod download "$module@$version")

# Modules have no executable files; a toolchain does.
chmod 755 "$work/$module@$version"/bin/* "$work/$module@$version"/pkg/tool/*/*
rm -rf "$target"
mv "$work/$module@$version" "$target"
ln -sf "$target/bin/go" "$target/bin/gofmt" /usr/local/bin/
go version
