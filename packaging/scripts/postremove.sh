#!/bin/sh
# After removal: metrics are deleted with the settings, but snapshots and stores
# never.
set -e
case ${1:-} in
purge | 0) rm -rf /var/lib/dmsnapctl ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
