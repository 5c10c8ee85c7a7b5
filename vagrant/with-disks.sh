#!/bin/sh
# Runs PROGRAM with four blank scratch disks (loop devices) in
# DMSNAPCTL_TEST_DISKS and takes them away again: what `lab exec` does in a
# kernel of its own, on this machine's. go test -exec calls it for each package.
#
# usage: with-disks.sh PROGRAM [ARGUMENTS]
set -eu

work=$(mktemp -d)
disks=
# Disks that the program left in use cannot be taken away; the status of the
# program is what counts.
clean() {
	for disk in $(echo "$disks" | tr : ' '); do
		losetup -d "$disk" || echo "with-disks.sh: $disk stays" >&2
	done
	rm -rf "$work"
}
trap clean EXIT

for number in 1 2 3 4; do
	truncate -s 256M "$work/disk$number"
	disk=$(losetup --find --show "$work/disk$number")
	disks=${disks:+$disks:}$disk
done

DMSNAPCTL_TEST_DISKS=$disks "$@"
