package dmtest

// Files, the loop devices on them, and notes, in memory.

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// File is a plain file.
type File struct {
	Bytes   int64
	Data    []byte   // its content; the rest is zeros
	Carries []string // known signatures
	Written bool     // a program has it open for writing
	inode   uint64
}

// Loop is a loop device on a file. It detaches itself when nobody has it open
// and no table uses it.
type Loop struct {
	*Disk
	file    *File
	path    string
	handles int
}

// loopDisk is the prefix of loop devices' paths.
const loopDisk = "/dev/loop"

func (m *Machine) fileAt(p string) *File {
	f := m.Files[p]
	if f != nil && f.inode == 0 {
		m.inodes++
		f.inode = m.inodes
	}
	return f
}

// onFile attaches a loop device to a file and opens it.
func (m *Machine) onFile(f *File, p string, readOnly bool) (host.Disk, error) {
	if m.NoLoop {
		return nil, devices.RefuseFor(host.ErrNoLoop, "no loop device available")
	}
	minor := uint32(0)
	for m.loopOf(blockdev.DevNo{Major: 7, Minor: minor}) != nil {
		minor++
	}
	d := &Disk{Number: blockdev.DevNo{Major: 7, Minor: minor}, Size: f.Bytes, BlockSize: blockSize, ReadOnly: readOnly, Data: f.Data, Carries: f.Carries}
	l := &Loop{Disk: d, file: f, path: p}
	m.Loops = append(m.Loops, l)
	return m.openLoop(l), nil
}

// OpenBase implements host.Files.
func (m *Machine) OpenBase(p string) (host.Disk, error) {
	f := m.fileAt(p)
	if f == nil {
		return m.Open(p)
	}
	m.Opened[p]++
	for _, l := range m.Loops {
		if l.file == f && l.ReadOnly {
			return m.openLoop(l), nil
		}
	}
	return m.onFile(f, p, true)
}

// OpenStore implements host.Files.
func (m *Machine) OpenStore(p string) (host.Disk, error) {
	f := m.fileAt(p)
	if f == nil {
		return m.Open(p)
	}
	m.Opened[p]++
	if m.isWritten(f) {
		return nil, devices.Busy("%s is open for writing", p)
	}
	return m.onFile(f, p, false)
}

// NewStore implements host.Files.
func (m *Machine) NewStore(p string, bytes int64) (host.Disk, error) {
	how := m.change()
	switch {
	case simple(how):
		return nil, syscall.ENOSPC
	case bytes <= 0: // like ftruncate, or the loop device's table
		return nil, &fs.PathError{Op: "truncate", Path: p, Err: syscall.EINVAL}
	case m.Files[p] != nil:
		return nil, &fs.PathError{Op: "open", Path: p, Err: syscall.EEXIST}
	}
	m.Files[p] = &File{Bytes: bytes}
	d, err := m.onFile(m.fileAt(p), p, false)
	if err != nil {
		delete(m.Files, p)
		return nil, err
	}
	return d, m.after(how)
}

// NewScratch implements host.Files.
func (m *Machine) NewScratch(dir string, bytes int64) (host.Disk, error) {
	how := m.change()
	switch {
	case simple(how):
		return nil, syscall.ENOSPC
	case bytes <= 0:
		return nil, &fs.PathError{Op: "truncate", Path: dir, Err: syscall.EINVAL}
	}
	d, err := m.onFile(&File{Bytes: bytes}, path.Join(dir, "#1")+host.Deleted, false)
	if err != nil {
		return nil, err
	}
	m.loopOf(d.Dev()).LiesOn = m.ScratchOn
	return d, m.after(how)
}

// GrowFile implements host.Files.
func (m *Machine) GrowFile(dev blockdev.DevNo, bytes int64) error {
	how := m.change()
	l := m.loopOf(dev)
	switch {
	case simple(how):
		return syscall.EFBIG
	case l == nil:
		return syscall.ENXIO
	}
	l.file.Bytes = max(l.file.Bytes, bytes)
	return m.after(how)
}

// FileOf implements host.Files.
func (m *Machine) FileOf(dev blockdev.DevNo) string {
	m.look("FileOf")
	if l := m.loopOf(dev); l != nil {
		return l.path
	}
	return ""
}

// FileID implements host.Files.
func (m *Machine) FileID(p string) (host.FileID, error) {
	m.look("FileID")
	f := m.fileAt(p)
	if f == nil {
		return host.FileID{}, fs.ErrNotExist
	}
	return host.FileID{Inode: f.inode}, nil
}

// Written implements host.Files.
func (m *Machine) Written(p string) (bool, error) {
	m.look("Written")
	f := m.fileAt(p)
	return f != nil && m.isWritten(f), nil
}

func (m *Machine) isWritten(f *File) bool {
	return f.Written || slices.ContainsFunc(m.Loops, func(l *Loop) bool { return l.file == f && !l.ReadOnly })
}

// Exists implements host.Files.
func (m *Machine) Exists(p string) (bool, error) {
	m.look("Exists")
	name, mapped := strings.CutPrefix(p, blockdev.MappedNodes)
	return m.Files[p] != nil || m.Disks[p] != nil || mapped && m.Find(name) != nil, nil
}

// DeleteFile implements host.Files. Deleting a file under a loop device breaks
// a rule.
func (m *Machine) DeleteFile(p string, id host.FileID) error {
	f := m.fileAt(p)
	if f == nil {
		return nil
	}
	how := m.change()
	switch {
	case simple(how):
		return syscall.EIO
	case id != (host.FileID{}) && id.Inode != f.inode:
		return fmt.Errorf("%s is another file by now", p)
	}
	if m.isWritten(f) {
		m.broke("%s is deleted with a loop device on it", p)
	}
	delete(m.Files, p)
	return m.after(how)
}

// RenameFile implements host.Files.
func (m *Machine) RenameFile(from, to string, replace bool) error {
	how := m.change()
	switch {
	case simple(how):
		return syscall.EIO
	case m.Files[from] == nil:
		return fs.ErrNotExist
	case m.Files[to] != nil && !replace:
		return syscall.EEXIST
	}
	if old := m.Files[to]; old != nil && m.isWritten(old) {
		m.broke("%s is replaced with a loop device on it", to)
	}
	for _, l := range m.Loops {
		if l.file == m.Files[from] {
			l.path = to
		}
	}
	m.Files[to] = m.Files[from]
	delete(m.Files, from)
	return m.after(how)
}

// SyncDir implements host.Files.
func (m *Machine) SyncDir(string) error { return m.touch("a directory") }

// ListDir implements host.Files.
func (m *Machine) ListDir(dir string) ([]string, error) {
	var out []string
	for p := range m.Files {
		if path.Dir(p) == path.Clean(dir) {
			out = append(out, path.Base(p))
		}
	}
	slices.Sort(out)
	return out, nil
}

// WriteNote implements host.Files.
func (m *Machine) WriteNote(name string, text []byte) error {
	how := m.change()
	if simple(how) {
		return syscall.ENOSPC
	}
	m.NotesKept[name] = text
	return m.after(how)
}

// Notes implements host.Files.
func (m *Machine) Notes() (map[string][]byte, error) { return m.NotesKept, nil }

// DropNote implements host.Files.
func (m *Machine) DropNote(name string) error {
	how := m.change()
	if simple(how) {
		return syscall.EIO
	}
	delete(m.NotesKept, name)
	return m.after(how)
}

// Bury does what the kernel does after a process died: its memory, lock and
// claims are released, and its guardian, if it had one, resumes the devices in
// use. The caller has to run recover.
func (m *Machine) Bury() (guarded bool) {
	m.MemoryLocked = 0
	m.claims = map[blockdev.DevNo]bool{}
	m.Held = map[string]bool{}
	for _, l := range m.Loops {
		l.handles = 0
	}
	m.settle()
	if !m.Guarded {
		return false
	}
	m.Guarded = false
	for _, d := range m.Devices {
		for _, dev := range m.inUse {
			if d.Dev == dev {
				if d.Waiting != nil {
					d.Live, d.Waiting = d.Waiting, nil
				}
				d.Suspended = false
			}
		}
	}
	return true
}
