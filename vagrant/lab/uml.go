// User-mode Linux: a kernel as a process.

//go:build linux

package lab

import (
	"fmt"
	"path/filepath"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

// Console lines with the program's output. The kernel's messages have their
// own.
const (
	stdoutLine = 1
	stderrLine = 2
)

// umlLines are the machine's devices for the program's output.
var umlLines = [2]string{fmt.Sprintf("/dev/tty%d", stdoutLine), fmt.Sprintf("/dev/tty%d", stderrLine)}

func (m Machine) launchUML(runDir string, disks []string) (launch, error) {
	if m.CPUs > 1 {
		return launch{}, fmt.Errorf("%d CPUs: User-mode Linux has one", m.CPUs)
	}
	if err := buildInit(runDir); err != nil {
		return launch{}, err
	}
	return launch{
		words: append([]string{m.Kernel.Binary}, m.umlWords(runDir, disks)...),
		env:   memoryEnv(m.memory()),
	}, nil
}

// umlWords returns the kernel's command line.
func (m Machine) umlWords(runDir string, disks []string) []string {
	words := []string{
		fmt.Sprintf("mem=%dM", m.memory()),
		"root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
		"init=" + filepath.Join(runDir, job.InitFile),
		job.Variable + "=" + runDir,
		"uml_dir=" + runDir, // else it leaves a directory in $HOME
		"con=null", "con0=null,fd:1",
		fmt.Sprintf("con%d=null,fd:%d", stdoutLine, stdoutFD),
		fmt.Sprintf("con%d=null,fd:%d", stderrLine, stderrFD),
		"oops=panic", "panic=-1", "noreboot",
	}
	for i, path := range disks {
		// d: a disk, whatever its first bytes are, never a UML COW file.
		words = append(words, fmt.Sprintf("ubd%dd=%s", i, path))
	}
	return words
}
