// Where the kernel keeps the file that is its memory.

//go:build linux

package lab

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// sharedMemory is a tmpfs on most machines: the fastest place.
const sharedMemory = "/dev/shm"

// memoryEnv is the environment of the kernel's process. The kernel maps its
// memory, executable, from a file that it makes in TMPDIR and unlinks at once
// (arch/um/os-Linux/mem.c); a container's /dev/shm is often too small for it or
// mounted noexec.
func memoryEnv(memoryMiB int) []string {
	env := slices.DeleteFunc(os.Environ(), func(word string) bool {
		name, _, _ := strings.Cut(word, "=")
		return name == "TMPDIR" || name == "TMP" || name == "TEMP"
	})
	dir := os.TempDir()
	if holdsMemory(sharedMemory, memoryMiB) {
		dir = sharedMemory
	}
	return append(env, "TMPDIR="+dir)
}

// holdsMemory tells whether a machine's memory can be mapped from a file in dir.
func holdsMemory(dir string, memoryMiB int) bool {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return false
	}
	free := fs.Bavail * uint64(fs.Bsize)
	return fs.Type == unix.TMPFS_MAGIC && fs.Flags&unix.ST_NOEXEC == 0 && free>>20 > uint64(memoryMiB)
}
