//go:build !unix

package monitor

import "os/exec"

// endWithChildren: without process groups only the command itself is ended.
func endWithChildren(*exec.Cmd) {}
