#!/bin/sh
# Runs PROGRAM with four blank scratch disks in DMSNAPCTL_TEST_DISKS and takes
# them away again: what `lab exec` does in a kernel of its own, on this machine's.
# go test -exec calls it for each package. The disks are in memory, or files under
# loop devices if the kernel has no module for that.
#
# usage: with-disks.sh PROGRAM [ARGUMENTS]
set -eu

mib=256
work=$(mktemp -d)
disks=

# Some tests detach all loop devices, so that a disk had better be none.
in_memory() {
	modprobe brd rd_nr=4 rd_size=$((mib * 1024)) 2>/dev/null || return 1
	if [ "$(cat /sys/block/ram0/size)" != $((mib * 2048)) ]; then
		return 1 # others loaded it
	fi
	disks=/dev/ram0:/dev/ram1:/dev/ram2:/dev/ram3
}

in_files() {
	for number in 1 2 3 4; do
		truncate -s "${mib}M" "$work/disk$number"
		disk=$(losetup --find --show "$work/disk$number")
		disks=${disks:+$disks:}$disk
	done
}

# Disks that the program left in use cannot be taken away; the status of the
# program is what counts.
clean() {
	case $disks in
	/dev/ram*) modprobe -r brd || echo "with-disks.sh: the disks in memory stay" >&2 ;;
	*)
		for disk in $(echo "$disks" | tr : ' '); do
			losetup -d "$disk" || echo "with-disks.sh: $disk stays" >&2
		done
		;;
	esac
	rm -rf "$work"
}
trap clean EXIT

in_memory || in_files
DMSNAPCTL_TEST_DISKS=$disks "$@"
