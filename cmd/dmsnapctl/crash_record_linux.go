package main

import (
	"os/exec"
	"syscall"
)

// endWithParent has a program get SIGTERM when this one dies, however it does:
// a workload that nobody logs any more would keep its device in use.
func endWithParent(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
