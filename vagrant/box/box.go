//go:build linux

package box

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// Files of the box in the cache. The archive is what Vagrant takes; its
// Vagrantfile names the other two.
const (
	archiveFile = "dmsnapctl.box"
	kernelFile  = "vmlinuz"
	ramdiskFile = "initrd.img"
)

// Tools are the packages that make and run the box.
var Tools = []string{"mmdebstrap", "e2fsprogs", "qemu-utils", "qemu-system-x86", "vagrant", "vagrant-libvirt",
	"libvirt-daemon-system", "libvirt-daemon-driver-qemu", "libvirt-clients", "dnsmasq-base", "iproute2", "rsync", "openssh-client"}

// Ensure returns the path of the box, which it makes unless the cache has it. A
// box is made again when its recipe changes, such as more, which are packages for
// its users. Making it takes root, and about 4 GiB for some minutes.
func Ensure(progress io.Writer, more ...string) (string, error) {
	if err := packages.Install(progress, Tools...); err != nil {
		return "", err
	}
	release, err := packages.Release()
	if err != nil {
		return "", err
	}
	dir, err := place(release, more)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, archiveFile)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return path, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	// Concurrent runs work separately; the first to finish wins.
	work, err := os.MkdirTemp(filepath.Dir(dir), "making-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := build(work, dir, more, progress); err != nil {
		return "", fmt.Errorf("make a Vagrant box: %w", err)
	}
	if err := os.Rename(work, dir); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return path, nil
}

// place returns the directory of the box that this recipe makes of a release.
func place(release string, more []string) (string, error) {
	cache, err := lab.CacheDir()
	if err != nil {
		return "", err
	}
	recipe := sha256.Sum256([]byte(release + string(configure) + vagrantfile("") + strings.Join(slices.Concat(system, more), " ")))
	return filepath.Join(cache, "box", fmt.Sprintf("%x", recipe[:6])), nil
}

// build makes the files of the box in work. They will be in dir.
func build(work, dir string, more []string, progress io.Writer) error {
	root, err := makeSystem(work, more, progress)
	if err != nil {
		return err
	}
	if err := takeKernel(root, work); err != nil {
		return err
	}
	if err := makeDisk(root, filepath.Join(work, "box.img"), progress); err != nil {
		return err
	}
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	files := map[string]string{
		"metadata.json": fmt.Sprintf(`{"provider":"libvirt","format":"qcow2","virtual_size":%d}`+"\n", diskBytes>>30),
		"Vagrantfile":   vagrantfile(dir),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	// Vagrant unpacks the archive once: compression would cost more than it saves.
	if err := run(progress, "tar", "-C", work, "--sparse", "-cf", filepath.Join(work, archiveFile), "metadata.json", "Vagrantfile", "box.img"); err != nil {
		return err
	}
	return os.Remove(filepath.Join(work, "box.img"))
}

// vagrantfile is the box's own Vagrantfile: all that depends on this machine
// having no hardware virtualisation and on the box having no boot loader.
func vagrantfile(dir string) string {
	return fmt.Sprintf(`Vagrant.configure("2") do |config|
  config.vm.boot_timeout = 1800
  config.vm.provider :libvirt do |machine|
    machine.driver = "qemu"
    machine.cpu_mode = "custom"
    machine.cpu_model = "qemu64"
    machine.kernel = "%s/%s"
    machine.initrd = "%s/%s"
    machine.cmd_line = "root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off"
    machine.management_network_name = "dmsnapctl"
    machine.management_network_address = "198.51.100.0/24"
    machine.graphics_type = "none"
    machine.video_type = "none"
    machine.memballoon_enabled = false
  end
end
`, dir, kernelFile, dir, ramdiskFile)
}
