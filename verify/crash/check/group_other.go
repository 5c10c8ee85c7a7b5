//go:build !unix

package check

import (
	"os/exec"
	"syscall"
)

func inGroup(*exec.Cmd) {}

func signalGroup(c *exec.Cmd, _ syscall.Signal) error { return c.Process.Kill() }
