package main

import (
	"os/exec"
	"syscall"
)

// endWithParent makes a program get SIGTERM when this one dies for any reason:
// a workload that is no longer logged would keep its device in use.
func endWithParent(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
