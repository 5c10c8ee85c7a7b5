package host

// LVM's commands: its devices are its own to make and to remove.

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// LVM implements Host. Where there is only the program lvm, that is used.
func (h *Linux) LVM(args ...string) error {
	program, err := exec.LookPath(args[0])
	if err == nil {
		args = args[1:]
	} else if program, err = exec.LookPath("lvm"); err != nil {
		return devices.Refuse("there is no command %s, nor lvm", args[0])
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if exit, is := errors.AsType[*exec.ExitError](err); is {
		return fmt.Errorf("%s %s: exit status %d: %s", program, strings.Join(args, " "), exit.ExitCode(), strings.TrimSpace(string(out)))
	}
	return err
}
