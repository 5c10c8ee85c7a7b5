package host

// LVM's commands: LVM makes and removes its own devices.

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// LVM implements Host. If the command does not exist, it runs through the
// program lvm.
func (h *Linux) LVM(args ...string) error {
	program, err := exec.LookPath(args[0])
	if err == nil {
		args = args[1:]
	} else if program, err = exec.LookPath("lvm"); err != nil {
		return devices.Refuse("neither %s nor lvm is installed", args[0])
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if exit, is := errors.AsType[*exec.ExitError](err); is {
		return fmt.Errorf("%s %s: exit status %d: %s", program, strings.Join(args, " "), exit.ExitCode(), devices.Said(out))
	}
	return err
}
