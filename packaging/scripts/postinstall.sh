#!/bin/sh
# After installation, and after an upgrade. No unit is enabled: what watches
# or changes snapshots is for the administrator to decide.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	systemctl try-restart dmsnapctl-monitor.service || true
fi
