#!/bin/bash
# What a Debian machine does with the package, seen from inside: run by a unit
# of its own at the end of each of two boots. Disks: /dev/ubda the system, ubdb
# an origin, ubdc and ubdd two stores. Each line on the second console is one
# thing that was seen, "ok" or "FAILED" before its name.
exec 3>&1 >/dev/tty1 2>&1

# see NAME COMMAND...: tells whether the command succeeds.
see() {
	local name=$1 said
	shift
	if said=$("$@" 2>&1); then echo "ok $name"; else echo "FAILED $name: $* says: $said"; fi
}

# soon COMMAND...: waits for it to succeed.
soon() {
	local i
	for i in {1..600}; do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
	"$@"
}

is() { [[ $(systemctl show -P "$2" "$1") == "$3" ]] || { systemctl status -n 20 "$1"; return 1; }; }
suspended() { [[ $(</sys/class/block/$1/dm/suspended) == "$2" ]]; }
mapped() { basename "$(readlink -f "/dev/mapper/$1")"; }

first() {
	mkfs.ext4 -q /dev/ubdb
	mount /dev/ubdb /srv && echo old >/srv/file && umount /srv
	see created dmsnapctl create before --origin /dev/ubdb --cow /dev/ubdc --yes
	see mounted mount /dev/mapper/before-origin /srv
	echo new >/srv/file
	sync
	readme

	# A clone of a file, written to.
	mkdir /var/lib/clones
	truncate -s 8M /var/lib/base.img && mkfs.ext4 -q /var/lib/base.img
	see cloned dmsnapctl clone vm --base /var/lib/base.img --store-dir /var/lib/clones --yes
	mount /dev/mapper/vm /mnt && echo mine >/mnt/file && umount /mnt

	systemctl disable --now dmsnapctl-monitor.service
	echo 'MONITOR_OPTIONS="--threshold 80 --textfile /var/lib/dmsnapctl/monitor.prom"' >>/etc/default/dmsnapctl
	see enabled systemctl enable --now dmsnapctl-monitor.service dmsnapctl-recover.service dmsnapctl-check.timer
	see monitor-ready is dmsnapctl-monitor.service SubState running
	see monitor-metrics soon grep -q 'dmsnapctl_snapshot_state{.*name="before".*state="active".*} 1' /var/lib/dmsnapctl/monitor.prom
	watchdog
	growing
	interrupted
	unfinished

	systemctl start dmsnapctl-check.service
	see check-ran is dmsnapctl-check.service Result success
	see check-metrics grep -q '^dmsnapctl_check_status{.*} 0' /var/lib/dmsnapctl/dmsnapctl-check.prom
	check_fails

	printf '%s\n' 'before /dev/ubdb /dev/ubdc nofail' \
		'vm /var/lib/base.img /var/lib/clones/vm.cow clone,nofail' >/etc/dmsnaptab
	echo '/dev/mapper/before-origin /srv ext4 nofail 0 0' >>/etc/fstab
	echo second >/lab/phase
	systemctl reboot 2>/dev/null # without D-Bus it complains, and reboots
}

# What the README begins with, as it stands there; the test holds what is printed
# against what the README shows.
readme() {
	local line
	while read -r line; do
		echo "# $line"
		sh -c "$line" 2>&1 </dev/null | sed 's/^/| /; s,/dev/ubd,/dev/vd,'
		sleep 3 # less than a person needs to type the next
	done </lab/readme
	see readme-monitors soon sh -c 'journalctl -u dmsnapctl-monitor.service | grep -q "before.*active"'
}

# The daily check fails if it may not write its result, or cannot judge a kernel.
# A drop-in allows another directory.
check_fails() {
	local dropin=/etc/systemd/system/dmsnapctl-check.service.d
	cp /etc/default/dmsnapctl /lab/default
	mkdir -p /var/metrics /lab/nothing $dropin
	echo 'CHECK_OPTIONS="--all-kernels --next --format prometheus -o /var/metrics/check.prom"' >>/etc/default/dmsnapctl
	see check-fails-unwritten sh -c '! systemctl start dmsnapctl-check.service'
	see check-could-not-write is dmsnapctl-check.service ExecMainStatus 3
	systemctl reset-failed dmsnapctl-check.service # it counts starts, too
	printf '[Service]\nReadWritePaths=-/var/metrics\n' >$dropin/textfile.conf
	systemctl daemon-reload
	systemctl start dmsnapctl-check.service
	see check-writes-elsewhere grep -q '^dmsnapctl_check_status{.*} 0' /var/metrics/check.prom
	echo 'CHECK_OPTIONS="--all-kernels --root /lab/nothing"' >>/etc/default/dmsnapctl
	see check-fails-unjudged sh -c '! systemctl start dmsnapctl-check.service'
	rm -r $dropin /var/metrics
	cp /lab/default /etc/default/dmsnapctl
	systemctl daemon-reload
	systemctl reset-failed dmsnapctl-check.service
}

# A monitor that does not look any more is ended and started again.
watchdog() {
	mkdir -p /run/systemd/system/dmsnapctl-monitor.service.d
	printf '[Service]\nWatchdogSec=10\nTimeoutAbortSec=5\n' >/run/systemd/system/dmsnapctl-monitor.service.d/short.conf
	systemctl daemon-reload
	see monitor-restarts systemctl restart dmsnapctl-monitor.service
	sleep 15
	see monitor-feeds-the-watchdog is dmsnapctl-monitor.service NRestarts 0
	kill -STOP "$(systemctl show -P MainPID dmsnapctl-monitor.service)"
	see watchdog-bites soon is dmsnapctl-monitor.service NRestarts 1
	see monitor-is-back soon is dmsnapctl-monitor.service SubState running
	rm -r /run/systemd/system/dmsnapctl-monitor.service.d
	systemctl daemon-reload
}

# With its drop-in, the monitor grows the file of a store.
growing() {
	local dropin=/etc/systemd/system/dmsnapctl-monitor.service.d
	mkdir -p $dropin
	cp /usr/share/doc/dmsnapctl/examples/systemd/monitor-grow.conf $dropin
	cp /etc/default/dmsnapctl /lab/default
	echo 'MONITOR_OPTIONS="--grow-at 50 --grow-by 1M"' >>/etc/default/dmsnapctl
	systemctl daemon-reload
	systemctl restart dmsnapctl-monitor.service
	truncate -s 16M /home/grows.img
	truncate -s 1M /home/grows.cow
	dmsnapctl create grows --origin /home/grows.img --cow /home/grows.cow --yes
	dd if=/dev/urandom of=/dev/mapper/grows-origin bs=4k count=180 conv=fsync status=none
	see store-grew soon sh -c 'test "$(stat -c %s /home/grows.cow)" -gt 1048576'
	see growth-is-told soon sh -c 'journalctl -n 20 -u dmsnapctl-monitor.service | tee /dev/stderr | grep -q "the store of grows grew"'
	dmsnapctl remove grows --yes
	rm -r $dropin /home/grows.*
	cp /lab/default /etc/default/dmsnapctl
	systemctl daemon-reload
	systemctl restart dmsnapctl-monitor.service
}

# Program and guardian die together while the origin is suspended: the unit
# that units call when they fail resumes it, and clears up. The pause is about a
# millisecond; strace makes each request to device mapper half a second long.
interrupted() {
	local group=/sys/fs/cgroup/system.slice/victim.service origin now=0
	origin=$(mapped before-origin)
	dd if=/dev/zero of=/dev/ubdd bs=1M count=1 conv=fsync status=none
	systemd-run --quiet --collect --unit=victim \
		strace -f -qq -o /dev/null -e trace=ioctl -e inject=ioctl:delay_exit=500000 \
		dmsnapctl create second --origin /dev/mapper/before-origin --cow /dev/ubdd --yes
	# No program starts between the look and the kill: on a busy host that takes
	# longer than the pause.
	mkfifo /lab/never
	while [[ -d $group && $now != 1 ]]; do
		read -rt 0.02 _ <>/lab/never
		read -r now <"/sys/class/block/$origin/dm/suspended"
	done
	echo 1 >$group/cgroup.kill
	soon test ! -d $group
	see origin-left-suspended suspended "$origin" 1
	systemd-run --quiet --collect -p OnFailure=dmsnapctl-recover.service false
	see origin-resumed soon suspended "$origin" 0
	see recovered soon is dmsnapctl-recover.service Result success
	see origin-takes-writes timeout 20 sh -c 'echo newer >/srv/file && sync /srv/file'
	see snapshot-survived sh -c 'dmsnapctl status before | grep -q active'
}

# A clone that was killed leaves a store. The unit deletes it, in a home as well.
unfinished() {
	local group=/sys/fs/cgroup/system.slice/victim.service home=/home/user
	mkdir -p $home && chown 1000 $home
	systemd-run --quiet --collect --unit=victim \
		strace -f -qq -o /dev/null -e trace=ioctl -e inject=ioctl:delay_exit=500000 \
		dmsnapctl clone half --base /var/lib/base.img --store-dir $home --yes
	soon sh -c "ls -A $home | grep -q ."
	echo 1 >$group/cgroup.kill
	soon test ! -d $group
	see store-left sh -c "ls -A $home | grep -q ."
	systemd-run --quiet --collect -p OnFailure=dmsnapctl-recover.service false
	see store-deleted soon sh -c "! ls -A $home | grep -q ."
	see clone-recovered soon is dmsnapctl-recover.service Result success
}

second() {
	systemctl is-system-running --wait >/dev/null
	see snapshot-at-boot is dmsnapctl-activate@before.service ActiveState active
	see mounted-at-boot mountpoint -q /srv
	see origin-through-snapshot test "$(findmnt -no SOURCE /srv)" = /dev/mapper/before-origin
	see origin-content grep -qx newer /srv/file
	mount -o ro,noload /dev/mapper/before /mnt
	see snapshot-content grep -qx old /mnt/file
	umount /mnt
	see activated-before-mounted test "$(systemctl show -P ActiveEnterTimestampMonotonic dmsnapctl-activate@before.service)" -lt "$(systemctl show -P ActiveEnterTimestampMonotonic srv.mount)"
	see clone-at-boot is dmsnapctl-activate@vm.service ActiveState active
	mount /dev/mapper/vm /mnt
	see clone-content grep -qx mine /mnt/file
	umount /mnt
	see recover-at-boot is dmsnapctl-recover.service Result success
	see recover-ran test "$(systemctl show -P ExecMainStartTimestampMonotonic dmsnapctl-recover.service)" -gt 0
	see monitor-at-boot soon is dmsnapctl-monitor.service SubState running
	see timer-at-boot is dmsnapctl-check.timer ActiveState active
	see nothing-failed sh -c '! systemctl list-units --failed --plain --no-legend | grep dmsnap'

	umount /srv
	see stopped systemctl stop dmsnapctl-activate@before.service
	see stop-removes test ! -e /dev/mapper/before
	# The first record names a chunk that cannot be: the store is judged first.
	printf '\1\0\0\0\0\0\0\0' | dd of=/dev/ubdc bs=1 seek=$((16384 + 8)) conv=notrunc,fsync status=none
	see damaged-is-refused sh -c '! systemctl start dmsnapctl-activate@before.service'
	see nothing-is-left test ! -e /dev/mapper/before
	systemctl poweroff 2>/dev/null
}

trap 'echo done' EXIT
"$(cat /lab/phase)"
