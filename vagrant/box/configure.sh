#!/bin/sh
# Turns the Debian in directory ROOT into one that Vagrant can log in to.
#
# usage: configure.sh ROOT
set -eu
root=$1

echo vagrant >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 vagrant\n' >"$root/etc/hosts"
echo '/dev/vda / ext4 defaults,noatime 0 1' >"$root/etc/fstab"
: >"$root/etc/machine-id"

chroot "$root" useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/vagrant"
chmod 440 "$root/etc/sudoers.d/vagrant"
# The key that everybody knows: Vagrant replaces it at the first login.
install -d -m 700 "$root/home/vagrant/.ssh"
cat /usr/share/rubygems-integration/all/gems/vagrant-*/keys/vagrant.pub >"$root/home/vagrant/.ssh/authorized_keys"
chmod 600 "$root/home/vagrant/.ssh/authorized_keys"
chroot "$root" chown -R vagrant: /home/vagrant
# Without host keys sshd drops each connection.
chroot "$root" ssh-keygen -A
printf 'UseDNS no\nGSSAPIAuthentication no\n' >"$root/etc/ssh/sshd_config.d/vagrant.conf"

cat >"$root/etc/systemd/network/80-dhcp.network" <<'N'
[Match]
Type=ether
[Network]
DHCP=ipv4
LinkLocalAddressing=no
[DHCPv4]
ClientIdentifier=mac
N
chroot "$root" systemctl enable ssh systemd-networkd
# There is no outside network to wait for, and nothing to fetch or trim.
for unit in systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
