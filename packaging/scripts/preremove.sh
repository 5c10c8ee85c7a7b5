#!/bin/sh
# Before removal; an upgrade goes on with what runs. Debian says "upgrade" for
# that, RPM the number of packages that stay.
set -e
case ${1:-} in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now dmsnapctl-monitor.service dmsnapctl-check.timer dmsnapctl-recover.service || true
	fi
	;;
esac
