#!/bin/sh
# Reboots after an upgrade, unless an installed kernel leaks snapshot space when
# it crashes.
set -eu

code=0
dmsnapctl check --all-kernels --root "${ROOT:-/}" || code=$?
case $code in
0) echo "all installed kernels have the fix: rebooting" ;;
1)
	echo "an installed kernel leaks: not rebooting; remove it or upgrade it" >&2
	exit 1
	;;
*)
	echo "a kernel could not be judged: not rebooting (check exited with $code)" >&2
	exit 1
	;;
esac
${REBOOT:-systemctl reboot}
