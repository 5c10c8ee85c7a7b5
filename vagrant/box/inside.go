//go:build linux

// The first process of a world.

package box

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// directories are those of a world, in its own directory. The first three are
// libvirt's, by the names that they have below /var.
var directories = []string{"lib", "log", "cache", "home", "vagrant.d", "machine", "tmp"}

// Configuration of libvirt: QEMU runs as root, without labels, cgroups and
// namespaces, for which the daemon would ask systemd.
const (
	daemonConfiguration = `listen_tls = 0
listen_tcp = 0
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
`
	qemuConfiguration = `user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
remember_owner = 0
`
	daemonSocket = "/run/libvirt/libvirt-sock"
)

// daemonTries and daemonPause bound the wait for the daemon's socket, on a busy
// machine.
const (
	daemonTries = 600
	daemonPause = 200 * time.Millisecond
)

// Begin is the first process of a world: it prepares the world, runs the
// command, and returns its exit status. args follow [Inside] on the command
// line.
func Begin(args []string) (int, error) {
	if len(args) < 2 {
		return 0, errors.New("the world needs a directory and a command")
	}
	dir, command := args[0], args[1:]
	if err := mountWorld(dir); err != nil {
		return 0, err
	}
	if err := startDaemons(dir); err != nil {
		return 0, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return reapUntil(cmd.Process.Pid)
}

// reapUntil takes the exit statuses of all processes, as the first process of a
// system must, and returns that of one: 128 and the signal if one killed it.
func reapUntil(pid int) (int, error) {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for the command: %w", err)
		case ended == pid && status.Signaled():
			return 128 + int(status.Signal()), nil
		case ended == pid:
			return status.ExitStatus(), nil
		}
	}
}

// mountWorld hides what the machine has of libvirt, and what runs on it.
func mountWorld(dir string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts in the world: %w", err)
	}
	for _, m := range []struct{ from, to, kind string }{
		{"proc", "/proc", "proc"},
		{"sysfs", "/sys", "sysfs"}, // the network devices of the world
		{"tmpfs", "/run", "tmpfs"},
		{"tmpfs", "/etc/libvirt", "tmpfs"},
	} {
		if err := syscall.Mount(m.from, m.to, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.to, err)
		}
	}
	for _, name := range directories[:3] {
		to := filepath.Join("/var", name, "libvirt")
		if err := syscall.Mount(filepath.Join(dir, name), to, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", to, err)
		}
	}
	return errors.Join(os.Mkdir("/run/lock", 0o755), os.Mkdir("/run/libvirt", 0o755))
}

// startDaemons starts libvirt's, and waits until it answers.
func startDaemons(dir string) error {
	for name, text := range map[string]string{"libvirtd.conf": daemonConfiguration, "qemu.conf": qemuConfiguration} {
		if err := os.WriteFile(filepath.Join("/etc/libvirt", name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("start the loopback network: %w: %s", err, out)
	}
	for _, name := range []string{"virtlogd", "libvirtd"} {
		log, err := os.Create(filepath.Join(dir, name+".log"))
		if err != nil {
			return err
		}
		cmd := exec.Command("/usr/sbin/" + name)
		cmd.Stdout, cmd.Stderr = log, log
		if err := errors.Join(cmd.Start(), log.Close()); err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
	}
	for range daemonTries {
		if _, err := os.Stat(daemonSocket); err == nil {
			return nil
		}
		time.Sleep(daemonPause)
	}
	return fmt.Errorf("libvirtd does not start: see %s", filepath.Join(dir, "libvirtd.log"))
}
