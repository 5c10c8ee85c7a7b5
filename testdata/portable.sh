#!/bin/sh
# Runs unit tests as programs for other architectures: 386 and arm have 32-bit
# words, s390x has the other byte order. The kernel of this machine runs them, or
# QEMU emulates their processors. The packages that are left out are slow under
# emulation, or start their own program again, which only the kernel can:
# CONTRIBUTING.md names them, with figures.
#
# usage: portable.sh [ARCH...]    (default: 386 arm s390x)
set -eu

GO=${GO:-go}
cd "$(dirname "$0")/.."
[ "$#" -gt 0 ] || set -- 386 arm s390x
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# emulator prints the -exec of an architecture: nothing if the kernel runs its
# programs.
emulator() {
	printf 'package main\n\nfunc main() {}\n' >"$work/main.go"
	GOARCH=$1 CGO_ENABLED=0 "$GO" build -o "$work/nothing" "$work/main.go"
	if "$work/nothing" 2>/dev/null; then
		return
	fi
	case $1 in
	386) set -- i386 ;;
	esac
	command -v "qemu-$1-static" || install "qemu-$1-static"
}

# install gets the emulators and prints the path of the one that is wanted.
install() {
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
		{ echo "portable.sh: no $1 here (package qemu-user-static), and installing it takes root" >&2; exit 1; }
	echo "portable.sh: installing qemu-user-static" >&2
	{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends qemu-user-static; } >&2
	command -v "$1"
}

# Slow under emulation, or tests that start their own program again.
leave_out() {
	case $1 in
	386) echo none ;;
	arm) echo 'cmd/dmsnapctl|verify|verify/(crash|image|mend|internal/chunkset)' ;;
	s390x) echo 'verify/crash' ;;
	esac
}

for arch; do
	case $arch in
	386 | arm) patterns='./cmd/... ./dmctl/... ./verify/...' ;;
	s390x) patterns='./dmctl/devices ./dmctl/gate/... ./dmctl/host ./dmctl/internal/wire ./dmctl/plan ./dmctl/table ./verify/...' ;;
	*) echo "portable.sh: unknown architecture $arch: want 386, arm or s390x" >&2; exit 64 ;;
	esac
	run=$(emulator "$arch")
	echo "unit tests on $arch, run by ${run:-the kernel}"
	# shellcheck disable=SC2086 # the words of a list
	packages=$(GOARCH=$arch "$GO" list $patterns | grep -vE "/dmsnapctl/($(leave_out "$arch"))\$")
	# These start programs of that architecture, which only the kernel can do, or
	# give programs little time.
	# shellcheck disable=SC2086
	GOARCH=$arch CGO_ENABLED=0 "$GO" test -timeout 20m ${run:+-skip '^(TestOutsideModule|TestQueueOfTheStoppedAndTheDead|TestNoAnswer)$' -exec "$run"} $packages
done
