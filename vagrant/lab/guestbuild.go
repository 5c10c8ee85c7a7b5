// Building programs that run in a guest.

//go:build linux

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

// module is the path of this module. Packages are named by it, so that they are
// found from every directory of the module.
const module = "github.com/dmsnapctl/dmsnapctl/"

// buildInit builds the guest's first process into dir.
func buildInit(dir string) error {
	return build(filepath.Join(dir, job.InitFile), "vagrant/lab/guest")
}

// Build builds commands of this module for use in a guest. They are named by
// their directories in the module, and put into dir under the last part of that
// name.
func Build(dir string, commands ...string) error {
	return build(dir+string(filepath.Separator), commands...)
}

// build builds static programs: a guest may lack the libraries of the host.
func build(to string, commands ...string) error {
	args := []string{"build", "-o", to}
	for _, command := range commands {
		args = append(args, module+command)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		err = fmt.Errorf("build %s: %w", strings.Join(commands, ", "), err)
		if said := strings.TrimSpace(string(out)); said != "" {
			err = fmt.Errorf("%w (is this a directory of the project?): %s", err, said)
		}
		return err
	}
	return nil
}
