#!/bin/bash
# What the test of the Vagrant machine does, from the making to the end: it runs
# the kernel tests, installs the package, and reboots. Run it where libvirt is
# the machine's own (package box), in this directory. Lines "## NAME" begin the
# parts; a line "ok NAME" is something that was seen.
#
# usage: machine.sh BOX PACKAGE
# shellcheck disable=SC2016 # the shell of the machine expands what is quoted
set -u
box=$1
package=$2
export DMSNAPCTL_BOX=dmsnapctl-test DMSNAPCTL_PREBUILT=1

inside() { vagrant ssh -c "sudo sh -euc '$1'" -- -q 2>&1; }
saw() { # NAME COMMAND: whether the command says yes inside
	if inside "$2"; then echo "ok $1"; else echo "FAILED $1"; fi
}
part() { echo "## $1 $SECONDS"; }

part box
vagrant destroy --force >/dev/null 2>&1
vagrant box add --force --name "$DMSNAPCTL_BOX" "$box" | tr '\r' '\n' | grep -v Progress || exit

part up # with the kernel tests
vagrant up && echo "ok tested"
saw running 'uname -r; cat /proc/uptime; systemctl is-system-running --wait || systemctl --failed'

part package
vagrant upload "$package" /tmp/dmsnapctl.deb || exit
saw installed 'dpkg -i /tmp/dmsnapctl.deb && dmsnapctl --version'
saw checked 'dmsnapctl check'
saw cloned '
	truncate -s 64M /var/base.img; mkfs.ext4 -q /var/base.img; mkdir -p /var/clones /mnt/box
	dmsnapctl clone box --base /var/base.img --store-dir /var/clones --yes
	mount /dev/mapper/box /mnt/box; echo kept >/mnt/box/file; sync; umount /mnt/box
	ls /var/clones; dmsnapctl list'
saw enabled '
	echo "box /var/base.img /var/clones/box.cow clone,nofail" >/etc/dmsnaptab
	systemctl enable --now dmsnapctl-monitor.service dmsnapctl-recover.service dmsnapctl-check.timer
	systemctl is-active dmsnapctl-monitor.service'

part reboot
vagrant reload --no-provision || exit
saw clone-at-boot 'systemctl is-active dmsnapctl-monitor.service; dmsnapctl list; mount /dev/mapper/box /mnt/box; grep -x kept /mnt/box/file; umount /mnt/box'
saw nothing-failed 'systemctl is-system-running --wait; systemctl --failed; test -z "$(systemctl --failed --quiet)"'
saw removed 'dmsnapctl remove box --yes && dpkg -P dmsnapctl && test -z "$(dmsetup ls | grep -v "No devices")"'

part destroy
vagrant destroy --force && echo "ok destroyed"
part end
