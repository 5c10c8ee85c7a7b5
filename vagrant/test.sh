#!/bin/sh
# Runs the kernel tests of PROJECT on this machine's own kernel, with the programs
# that they run. It builds them, or takes those of bin/tests if they are prebuilt,
# which needs no Go.
#
# usage: test.sh PROJECT [prebuilt]
set -eu

cd "$1"
prebuilt=${2:-}
here=$(pwd)
PATH=/usr/local/go/bin:/usr/sbin:/sbin:$PATH

# A full kernel has no dm-dust; tests that need what is missing do not apply.
missing=
for module in dm-mod dm-snapshot dm-delay dm-flakey dm-log-writes dm-dust dm-zero dm-thin-pool fuse loop ext4 xfs; do
	modprobe "$module" || missing=${missing:+$missing,}$module
done
export DMSNAPCTL_TEST_MISSING="$missing"

# One package at a time: all of them share this one kernel. Beside udev, and in an
# emulated machine, the controller's take hours. Without cgo, like the program: some
# tests limit its memory.
limit=3h
if [ "$prebuilt" != prebuilt ]; then
	make build
	bin/lab setup -packages
	exec env CGO_ENABLED=0 go test -tags kernel -count=1 -p 1 -timeout "$limit" -exec "$here/vagrant/with-disks.sh" ./...
fi
bin/lab setup -packages
failed=0
while read -r program directory; do
	echo "== $directory"
	(cd "$directory" && exec "$here/vagrant/with-disks.sh" "$here/bin/tests/$program" \
		-test.v "-test.timeout=$limit" -test.run "$(cat "$here/bin/tests/names")") </dev/null || failed=1
done <bin/tests/packages
exit "$failed"
