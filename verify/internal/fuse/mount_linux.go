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

// How long an unmount waits for readers to close the file before they get
// errors.
const (
	busyTries = 10
	busyPause = 50 * time.Millisecond
)

// endWait is how long an unmount waits for the kernel to release the mount. A
// copy of it in another namespace can keep it.
const endWait = 5 * time.Second

// fsName is the source and the subtype of our mounts.
const fsName = "dmsnapctl"

// Mount is a directory with the files shown.
type Mount struct {
	dir    string
	device string // number of the file system, as in mountinfo
	tree   *tree
	done   chan struct{} // closed when the kernel has released the mount
}

// Show mounts f on the directory dir, which must exist. Files in dir are
// hidden during the mount. Only the user who mounts can look into it. Close or
// umount(8) ends it.
func Show(dir string, f File) (*Mount, error) {
	t := newTree()
	if _, err := t.add(f); err != nil {
		return nil, err
	}
	return mount(dir, t, f.Writable)
}

// ShowMany is Show for a directory without files. Add adds them.
func ShowMany(dir string) (*Mount, error) { return mount(dir, newTree(), true) }

func mount(dir string, t *tree, writable bool) (*Mount, error) {
	dir, err := mountPoint(dir)
	if err != nil {
		return nil, err
	}
	if taken, err := isMounted(dir); err != nil || taken {
		if err == nil {
			err = fmt.Errorf("mount on %s: it shows an image already", dir)
		}
		return nil, err
	}
	options := &fuse.MountOptions{
		Name: fsName, FsName: fsName, DirectMount: true,
		MaxWrite: 1 << 20, MaxReadAhead: 1 << 20, DisableXAttrs: true, DisableReadDirPlus: true,
		// It would log requests whose reader has died.
		Logger: log.New(io.Discard, "", 0),
	}
	if !writable {
		options.Options = []string{"ro"}
		options.DirectMountFlags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV
	}
	if os.Geteuid() == 0 { // mount(2) has no such option
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
	if m.device, err = deviceOn(dir); err != nil {
		return nil, errors.Join(err, unmount(dir, unix.MNT_DETACH))
	}
	return m, nil
}

// Add shows one more file. Its name must not have been used on this mount
// before, because the kernel caches names. Remove removes the file; when it
// returns, the content is no longer read. Readers that still have the file
// open get errors.
func (m *Mount) Add(f File) (remove func(), err error) {
	n, err := m.tree.add(f)
	if err != nil {
		return nil, err
	}
	return func() { m.tree.remove(n) }, nil
}

// mountPoint is the path of dir without links: the name that the kernel shows.
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

// Done is closed when the mount has ended, no matter who ended it.
func (m *Mount) Done() <-chan struct{} { return m.done }

// Close unmounts. Readers that still have the file open get a moment to close
// it; after that they get errors. If another mount hides this one, it fails.
func (m *Mount) Close() error {
	for range busyTries {
		if m.ended() {
			return nil
		}
		if err := m.onTop(); err != nil {
			return err
		}
		err := m.unmount(0)
		if err == nil || errors.Is(err, unix.EINVAL) { // EINVAL: it is no longer a mount
			return m.released()
		}
		select {
		case <-m.done:
			return nil
		case <-time.After(busyPause):
		}
	}
	// A forced unmount ends the connection: waiting readers get errors. It may
	// leave the mount in place; the lazy unmount then removes it.
	_ = m.unmount(unix.MNT_FORCE)
	if err := m.unmount(unix.MNT_DETACH); err != nil && !m.ended() && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount %s: %w", m.dir, err)
	}
	if os.Geteuid() == 0 {
		return m.released()
	}
	return nil
}

// onTop fails if another mount is on the directory, which an unmount would end.
func (m *Mount) onTop() error {
	top, err := deviceOn(m.dir)
	if err == nil && top != "" && top != m.device {
		err = fmt.Errorf("unmount %s: another mount hides the image", m.dir)
	}
	return err
}

// released waits for the kernel to release the mount.
func (m *Mount) released() error {
	select {
	case <-m.done:
		return nil
	case <-time.After(endWait):
		return fmt.Errorf("unmount %s: the image is still mounted elsewhere, perhaps in another namespace", m.dir)
	}
}

func (m *Mount) ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// unmount asks the kernel or, for a plain user, the program that may unmount.
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
		return fmt.Errorf("%w: %s", err, strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", "; "))
	}
	return nil
}

// Clear unmounts what a process that has ended left mounted on dir. It does
// nothing if nothing is mounted there. It does not look into the mount.
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
	return strings.Contains("\n"+string(table), "\n"+fsName+" "+escaped(dir)+" fuse."+fsName+" "), nil
}

// deviceOn is the device number of the topmost mount on dir, "" for none.
func deviceOn(dir string) (device string, err error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(table)) { // in order of mounting
		// ID, parent's ID, device, root, mount point, …: proc_pid_mountinfo(5).
		if f := strings.Fields(line); len(f) > 4 && f[4] == escaped(dir) {
			device = f[2]
		}
	}
	return device, nil
}

// escaped is a name as the kernel's tables of mounts have it: spaces, tabs,
// newlines and backslashes in octal.
func escaped(name string) string {
	return strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(name)
}

// Serve shows f on dir until somebody unmounts it or ctx ends, and then
// unmounts. It calls ready once the file can be read.
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
