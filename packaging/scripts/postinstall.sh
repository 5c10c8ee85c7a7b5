#!/bin/sh
# After an installation or an upgrade. No unit is enabled: the administrator
# decides what watches or changes snapshots.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	systemctl try-restart dmsnapctl-monitor.service || true
fi
