package fuse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// How long the end of a mount waits for readers to close the file, before
// they get errors.
const (
	busyTries = 10
	busyPause = 50 * time.Millisecond
)

// Mount is a file that is shown.
type Mount struct {
	dir  string
	tree *tree
	done chan struct{} // closed when the kernel has let go of it
}

// Show mounts f on the directory dir, which must exist; what it held is hidden
// meanwhile. Only the user who mounts can look into it. Close ends it, and so
// does umount(8).
func Show(dir string, f File) (*Mount, error) {
	dir, err := mountPoint(dir)
	if err != nil {
		return nil, err
	}
	if f.Name == "" || f.Name == "." || f.Name == ".." || strings.ContainsRune(f.Name, '/') {
		return nil, fmt.Errorf("%q is no name of a file", f.Name)
	}
	t := newTree(f)
	options := &fuse.MountOptions{
		Name: "dmsnapctl", FsName: "dmsnapctl", DirectMount: true,
		MaxWrite: 1 << 20, MaxReadAhead: 1 << 20, DisableXAttrs: true, DisableReadDirPlus: true,
		// What it says concerns requests whose reader died.
		Logger: log.New(io.Discard, "", 0),
	}
	if !f.Writable {
		options.Options = []string{"ro"}
		options.DirectMountFlags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV
	}
	if os.Geteuid() == 0 { // the kernel's own mount has no such option
		options.DirectMountStrict, options.Options = true, nil
	}
	server, err := fuse.NewServer(t, dir, options)
	if err != nil {
		return nil, explain(dir, err)
	}
	m := &Mount{dir: dir, tree: t, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		server.Serve()
		if t.private != nil {
			_ = t.private.Close() // a file without a name; its writes are of no use any more
		}
	}()
	return m, nil
}

// mountPoint is dir's own path, without links: the name under which the kernel
// will know it.
func mountPoint(dir string) (string, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a directory", dir)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

func explain(dir string, err error) error {
	if _, missing := os.Stat("/dev/fuse"); missing != nil {
		return fmt.Errorf("mount on %s: %w: %w", dir, ErrUnsupported, missing)
	}
	return fmt.Errorf("mount on %s: %w", dir, err)
}

// Done is closed when the mount has ended, by whomever.
func (m *Mount) Done() <-chan struct{} { return m.done }

// Close unmounts. Readers that still hold the file open have a moment to
// close it; after that they get errors.
func (m *Mount) Close() error {
	for range busyTries {
		if m.ended() {
			return nil
		}
		err := m.unmount(0)
		if err == nil || errors.Is(err, unix.EINVAL) { // EINVAL: it is no mount any more
			<-m.done
			return nil
		}
		select {
		case <-m.done:
			return nil
		case <-time.After(busyPause):
		}
	}
	// A forced unmount ends the connection: waiting readers get errors. It
	// may leave the mount where it is, which the lazy one then takes away.
	_ = m.unmount(unix.MNT_FORCE)
	if err := m.unmount(unix.MNT_DETACH); err != nil && !m.ended() && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount %s: %w", m.dir, err)
	}
	if os.Geteuid() == 0 {
		<-m.done
	}
	return nil
}

func (m *Mount) ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// unmount asks the kernel, or as a plain user the program that may.
func (m *Mount) unmount(flags int) error {
	if os.Geteuid() == 0 {
		return unix.Unmount(m.dir, flags)
	}
	args := []string{"-u", m.dir}
	if flags != 0 {
		args = []string{"-u", "-z", m.dir}
	}
	out, err := exec.Command("fusermount3", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Serve shows f on dir until somebody unmounts it or ctx ends, and unmounts
// then. It calls ready once the file can be read.
func Serve(ctx context.Context, dir string, f File, ready func()) error {
	m, err := Show(dir, f)
	if err != nil {
		return err
	}
	ready()
	select {
	case <-m.Done():
		return nil
	case <-ctx.Done():
		return m.Close()
	}
}
