#!/bin/sh
# Builds PROJECT and runs its kernel tests on this machine's own kernel.
#
# usage: test.sh PROJECT
set -eu

cd "$1"
here=$(pwd)
PATH=/usr/local/go/bin:/usr/sbin:/sbin:$PATH

for module in dm-mod dm-snapshot dm-delay dm-flakey dm-log-writes dm-dust dm-zero loop; do
	modprobe "$module"
done
# Tests hold what they build and see against dmsetup's.
command -v dmsetup >/dev/null || apt-get install -q -y --no-install-recommends dmsetup
make build
# One package at a time: all of them share this one kernel.
go test -tags kernel -count=1 -p 1 -exec "$here/vagrant/with-disks.sh" ./...
