// Where the file that serves as the memory of a kernel is.

//go:build linux

package lab

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// sharedMemory is a tmpfs on most machines, and the fastest place.
const sharedMemory = "/dev/shm"

// memoryEnv returns the environment of the kernel's process. The kernel maps
// its memory, executable, from a file in TMPDIR that it unlinks at once
// (arch/um/os-Linux/mem.c). The /dev/shm of a container is often too small for
// that file, or mounted noexec.
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

// holdsMemory reports whether a machine's memory can be mapped from a file in
// dir.
func holdsMemory(dir string, memoryMiB int) bool {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return false
	}
	free := fs.Bavail * uint64(fs.Bsize)
	return fs.Type == unix.TMPFS_MAGIC && fs.Flags&unix.ST_NOEXEC == 0 && free>>20 > uint64(memoryMiB)
}
