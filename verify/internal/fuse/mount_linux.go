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

// fsName is the source and the subtype of our mounts.
const fsName = "dmsnapctl"

// Mount is a directory of files that are shown.
type Mount struct {
	dir  string
	tree *tree
	done chan struct{} // closed when the kernel has let go of it
}

// Show mounts f on the directory dir, which must exist; what it held is hidden
// meanwhile. Only the user who mounts can look into it. Close ends it, and so
// does umount(8).
func Show(dir string, f File) (*Mount, error) {
	t := newTree()
	if _, err := t.add(f); err != nil {
		return nil, err
	}
	return mount(dir, t, f.Writable)
}

// ShowMany is Show of a directory without files: Add adds them.
func ShowMany(dir string) (*Mount, error) { return mount(dir, newTree(), true) }

func mount(dir string, t *tree, writable bool) (*Mount, error) {
	dir, err := mountPoint(dir)
	if err != nil {
		return nil, err
	}
	options := &fuse.MountOptions{
		Name: fsName, FsName: fsName, DirectMount: true,
		MaxWrite: 1 << 20, MaxReadAhead: 1 << 20, DisableXAttrs: true, DisableReadDirPlus: true,
		// What it says concerns requests whose reader died.
		Logger: log.New(io.Discard, "", 0),
	}
	if !writable {
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
		t.removeAll()
	}()
	return m, nil
}

// Add shows one more file. Its name must not have been used on this mount
// before, as the kernel remembers names. Remove takes the file away; when it
// returns, nobody reads the content any more. Whoever still has the file open
// gets errors.
func (m *Mount) Add(f File) (remove func(), err error) {
	n, err := m.tree.add(f)
	if err != nil {
		return nil, err
	}
	return func() { m.tree.remove(n) }, nil
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
func (m *Mount) unmount(flags int) error { return unmount(m.dir, flags) }

func unmount(dir string, flags int) error {
	if os.Geteuid() == 0 {
		return unix.Unmount(dir, flags)
	}
	args := []string{"-u", dir}
	if flags != 0 {
		args = []string{"-u", "-z", dir}
	}
	out, err := exec.Command("fusermount3", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Clear takes away what is mounted on dir by a process that has ended; where
// nothing is mounted there it does nothing. It does not look into the mount.
func Clear(dir string) error {
	mounted, err := isMounted(dir)
	if err != nil || !mounted {
		return err
	}
	if err := unmount(dir, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}

// isMounted reports whether a mount of this package is on dir.
func isMounted(dir string) (bool, error) {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return false, err
	}
	// Blanks, tabs, newlines and backslashes of a name are written in octal.
	name := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(dir)
	return strings.Contains("\n"+string(table), "\n"+fsName+" "+name+" fuse."+fsName+" "), nil
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
