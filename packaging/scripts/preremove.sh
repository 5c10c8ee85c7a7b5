#!/bin/sh
# Before removal. An upgrade leaves running units alone: Debian passes "upgrade"
# then, RPM the number of packages that remain.
set -e
case ${1:-} in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now dmsnapctl-monitor.service dmsnapctl-check.timer dmsnapctl-recover.service || true
	fi
	;;
esac
