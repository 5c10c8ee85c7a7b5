#!/bin/sh
# Before removal. An upgrade leaves running units alone: Debian passes "upgrade"
# then, RPM the number of packages that remain.
set -e
case ${1:-} in
remove | 0)
	units="dmsnapctl-monitor.service dmsnapctl-check.timer dmsnapctl-recover.service"
	# In an image or a chroot, systemd does not run, and units can be enabled.
	if [ -d /run/systemd/system ]; then
		systemctl disable --now $units || true
	elif command -v systemctl >/dev/null; then
		systemctl disable $units || true
	fi
	;;
esac
