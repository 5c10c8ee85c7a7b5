//go:build linux

// Package packages gets what the lab needs from the machine's package archive.
// It knows Debian's tools, and not what the packages are for.
package packages

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Missing returns those of names that are not installed.
func Missing(names ...string) []string {
	var missing []string
	for _, name := range names {
		status, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Status}", name).Output()
		if err != nil || string(status) != "installed" {
			missing = append(missing, name)
		}
	}
	return missing
}

// Install installs those of names that are missing, and reports it on progress.
// It needs root and apt-get only if something is missing.
func Install(progress io.Writer, names ...string) error {
	missing := Missing(names...)
	if len(missing) == 0 {
		return nil
	}
	list := strings.Join(missing, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("install %s: this machine has no apt-get; install them another way", list)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("install %s: run this as root, or install them first", list)
	}
	fmt.Fprintf(progress, "installing %s\n", list)
	install := append([]string{"install", "-y", "--no-install-recommends"}, missing...)
	// The package lists of a fresh machine are absent or old.
	if aptGet("", nil, install...) == nil {
		return nil
	}
	fmt.Fprintln(progress, "updating the package lists")
	if err := aptGet("", nil, "update"); err != nil {
		return fmt.Errorf("install %s: %w", list, err)
	}
	if err := aptGet("", nil, install...); err != nil {
		return fmt.Errorf("install %s: %w", list, err)
	}
	return nil
}

// aptGet runs apt-get quietly in dir. The error has the last line of its
// output.
func aptGet(dir string, archive []string, args ...string) error {
	options := append([]string{
		"-q",
		"-o", "DPkg::Lock::Timeout=300", // another run may be installing
		"-o", "APT::Sandbox::User=root", // others cannot write to dir
		"-o", "APT::Update::Error-Mode=any", // else an update without a network succeeds
	}, archive...)
	cmd := exec.Command("apt-get", append(options, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		said := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
		return fmt.Errorf("apt-get %s: %w: %s", args[0], err, said[len(said)-1])
	}
	return nil
}
