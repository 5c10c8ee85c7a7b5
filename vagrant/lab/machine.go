// The description of a machine, and how it becomes a command line.

//go:build linux

package lab

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

// DeviceMapper are the device-mapper modules that tests of snapshots use.
var DeviceMapper = []string{
	"dm-mod", "dm-bufio", "dm-snapshot", "dm-delay", "dm-log-writes", "dm-flakey", "dm-dust", "dm-zero",
}

// UdevStates are the states of udev in a machine: running, stopped, or killed
// with its socket left.
var UdevStates = []string{job.UdevAlive, job.UdevHung, job.UdevDead}

// Disk is a disk of the machine; [Engine.DiskName] returns its name there.
type Disk struct {
	// Path is a file of the host. If it is empty, a blank disk is made for the
	// machine and removed with it.
	Path string
	// Bytes is the size of a blank disk.
	Bytes int64
	// Direct makes QEMU bypass the host's page cache, so that I/O takes as long
	// as on the host's disk. The file system must support that.
	Direct bool
}

// Machine describes a machine and the one program that it runs. The program
// sees the host's files read-only under their own names. It has its own /dev,
// /proc, /sys and /run, and a writable TMPDIR.
type Machine struct {
	Kernel Kernel
	// MemoryMiB is the machine's memory; 0 means [DefaultMemoryMiB] or
	// [DefaultFullMemoryMiB].
	MemoryMiB int
	// CPUs is the number of processors; 0 means the default of the engine.
	CPUs  int
	Disks []Disk
	// Modules are loaded before the program runs, together with the modules
	// they need. Replace gives other files for some of them, by name.
	Modules []string
	Replace map[string]string
	// Udev runs the host's udev in the machine, in one of the [UdevStates].
	// Empty means none: the kernel's devtmpfs makes the nodes in /dev.
	Udev string
	// Writable are the directories of the host that the program may write to.
	Writable []string

	Program string // its path on the host
	Args    []string
	Env     []string // NAME=value; the machine sets TMPDIR and HOME
	Dir     string   // working directory; empty means the caller's

	// Stdout and Stderr receive the program's output while it runs, and Console
	// the kernel's messages. Each may be nil.
	Stdout, Stderr, Console io.Writer
	// Timeout is a hard limit for the whole life of the machine, including the
	// boot. 0 means none.
	Timeout time.Duration
}

// job resolves the description into the job for the guest.
func (m Machine) job() (job.Job, error) {
	if m.Udev != "" && !slices.Contains(UdevStates, m.Udev) {
		return job.Job{}, fmt.Errorf("udev %q: it can be %s", m.Udev, strings.Join(UdevStates, ", "))
	}
	dir, err := filepath.Abs(m.Dir) // "" is the caller's own
	if err != nil {
		return job.Job{}, err
	}
	program, err := filepath.Abs(m.Program)
	if err != nil {
		return job.Job{}, err
	}
	lines, names := umlLines, m.Modules
	if m.Kernel.Engine == QEMU {
		lines, names = qemuLines, slices.Concat(lineModules, m.Modules)
	}
	modules, err := m.Kernel.ModuleFiles(names, m.Replace)
	if err != nil {
		return job.Job{}, err
	}
	writable, err := directories(m.Writable)
	if err != nil {
		return job.Job{}, err
	}
	return job.Job{
		Modules:  modules,
		Writable: writable,
		Udev:     m.Udev,
		Stdout:   lines[0],
		Stderr:   lines[1],
		Program:  program,
		Args:     m.Args,
		Dir:      dir,
		Env:      m.Env,
	}, nil
}

// directories makes paths absolute, without symbolic links, names each once,
// and refuses everything but directories. (hostfs accepts no link as its root,
// and a mount on a link would be elsewhere.)
func directories(paths []string) ([]string, error) {
	var dirs []string
	for _, path := range paths {
		dir, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		dir, err = filepath.EvalSymlinks(dir)
		if err != nil {
			return nil, fmt.Errorf("writable directory: %w", err)
		}
		if info, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("writable directory: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("writable directory %s: not a directory", dir)
		}
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// diskFiles makes the blank disks in runDir and returns the files of all disks.
func (m Machine) diskFiles(runDir string) ([]string, error) {
	if len(m.Disks) > MaxDisks {
		return nil, fmt.Errorf("%d disks: a machine takes %d at most", len(m.Disks), MaxDisks)
	}
	files := make([]string, len(m.Disks))
	for i, disk := range m.Disks {
		path, err := disk.file(filepath.Join(runDir, fmt.Sprintf("disk%d", i)))
		if err != nil {
			return nil, err
		}
		files[i] = path
	}
	return files, nil
}

// file returns the file of the disk: its own, or a new sparse one at blank.
func (d Disk) file(blank string) (string, error) {
	if d.Path == "" {
		f, err := os.Create(blank)
		if err != nil {
			return "", err
		}
		defer f.Close()
		return blank, f.Truncate(d.Bytes)
	}
	path, err := filepath.Abs(d.Path)
	if err != nil {
		return "", err
	}
	// : and , separate file names in the kernel's option, space its options.
	if strings.ContainsAny(path, ":, ") {
		return "", fmt.Errorf("disk %s: the path of a disk must not have colons, commas or spaces", path)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("disk: %w", err)
	}
	return path, nil
}
