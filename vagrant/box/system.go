//go:build linux

// The system of the box: a Debian made of packages, its kernel, its disk.

package box

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

//go:embed configure.sh
var configure []byte

// system are the packages that each box has.
var system = []string{"systemd-sysv", "systemd", "udev", "dbus", "openssh-server", "sudo", "kmod", "rsync", "iproute2",
	"procps", "ca-certificates", "initramfs-tools", "linux-image-cloud-amd64"}

// ForTests are the packages that kernel tests use, in any machine. The tests
// compare their results with dmsetup's and LVM's, put file systems, databases, thin
// pools and arrays on snapshots, and back them up. qemu-img and bmaptool check the
// images. Some tests run next to udev; a host's own is not started.
var ForTests = []string{"dmsetup", "lvm2", "e2fsprogs", "xfsprogs", "mount", "kmod", "mdadm", "qemu-utils", "bmap-tools", "restic", "borgbackup", "sqlite3", "thin-provisioning-tools", "udev"}

// diskBytes is the size of the box's disk; what is not used takes no space.
const diskBytes = 8 << 30

// makeSystem makes a Debian of this machine's release, with more packages, below
// dir, and returns its root.
func makeSystem(dir string, more []string, progress io.Writer) (string, error) {
	sources, err := packages.Sources()
	if err != nil {
		return "", err
	}
	release, err := packages.Release()
	if err != nil {
		return "", err
	}
	script := filepath.Join(dir, "configure.sh")
	if err := os.WriteFile(script, configure, 0o755); err != nil {
		return "", err
	}
	root := filepath.Join(dir, "root")
	args := []string{"--mode=root", "--variant=minbase", "--format=directory", "--quiet",
		`--aptopt=APT::Sandbox::User "root"`, `--aptopt=APT::Install-Recommends "false"`, `--aptopt=Acquire::Languages "none"`,
		"--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*", "--customize-hook=" + script,
		"--include=" + strings.Join(slices.Concat(system, more), ","), release, root}
	fmt.Fprintln(progress, "making a Debian from packages (some minutes)")
	return root, run(progress, "mmdebstrap", append(args, sources...)...)
}

// takeKernel moves the kernel and its initial ramdisk from the root to dir: the
// machine boots from these, without a boot loader.
func takeKernel(root, dir string) error {
	for pattern, name := range map[string]string{"boot/vmlinuz-*": kernelFile, "boot/initrd.img-*": ramdiskFile} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) != 1 {
			return fmt.Errorf("the box has %d files %s, want one: %v", len(found), pattern, err)
		}
		if err := os.Rename(found[0], filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// makeDisk writes the root as a disk image of an ext4 file system.
func makeDisk(root, image string, progress io.Writer) error {
	raw := image + ".raw"
	f, err := os.Create(raw)
	if err != nil {
		return err
	}
	defer os.Remove(raw)
	if err := f.Truncate(diskBytes); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	fmt.Fprintln(progress, "writing its disk")
	if err := run(progress, "mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-d", root, raw); err != nil {
		return err
	}
	return run(progress, "qemu-img", "convert", "-O", "qcow2", raw, image)
}

// run runs a command; its output is progress, and its last lines say why it
// failed.
func run(progress io.Writer, name string, args ...string) error {
	var said strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stdout = io.MultiWriter(&said, progress)
	cmd.Stderr = cmd.Stdout
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return fmt.Errorf("%s: %w: %s", name, err, strings.Join(lines[max(0, len(lines)-3):], "; "))
	}
	return nil
}
