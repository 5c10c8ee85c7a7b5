package fuse

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// The two inodes of a mount.
const (
	rootNode = fuse.FUSE_ROOT_ID
	fileNode = rootNode + 1
)

// forever is how long the kernel may remember names and attributes: neither
// changes.
const forever = 24 * 60 * 60 // seconds

// statFSBlock is the unit of statfs(2).
const statFSBlock = 4096

// tree answers the kernel's requests: a directory with one file.
type tree struct {
	fuse.RawFileSystem // answers ENOSYS to all that is not here
	file               File
	private            *Private // nil where the file cannot be written
	born               time.Time
}

func newTree(f File) *tree {
	t := &tree{RawFileSystem: fuse.NewDefaultRawFileSystem(), file: f, born: time.Now()}
	if f.Writable {
		t.private = NewPrivate(f.Content, f.Size, f.SpillDir)
	}
	return t
}

func (t *tree) String() string { return "dmsnapctl" }

func (t *tree) attr(node uint64, out *fuse.Attr) bool {
	out.Ino, out.Owner, out.Nlink = node, fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}, 1
	out.SetTimes(&t.born, &t.born, &t.born)
	switch node {
	case rootNode:
		out.Mode, out.Nlink = unix.S_IFDIR|0o500, 2
	case fileNode:
		out.Mode, out.Size, out.Blocks, out.Blksize = unix.S_IFREG|0o400, uint64(t.file.Size), uint64(t.file.Size+511)/512, 128<<10
		if t.file.Writable {
			out.Mode |= 0o200
		}
	default:
		return false
	}
	return true
}

func (t *tree) Lookup(_ <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if header.NodeId != rootNode || name != t.file.Name {
		return fuse.ENOENT
	}
	out.NodeId, out.EntryValid, out.AttrValid = fileNode, forever, forever
	t.attr(fileNode, &out.Attr)
	return fuse.OK
}

func (t *tree) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	out.AttrValid = forever
	if !t.attr(in.NodeId, &out.Attr) {
		return fuse.ENOENT
	}
	return fuse.OK
}

// SetAttr takes times and the size that the file has: programs set both on
// what they write. Nothing else changes.
func (t *tree) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if !t.file.Writable {
		return fuse.EROFS
	}
	if size, ok := in.GetSize(); ok && size != uint64(t.file.Size) {
		return fuse.EPERM
	}
	if in.Valid&(fuse.FATTR_MODE|fuse.FATTR_UID|fuse.FATTR_GID) != 0 {
		return fuse.EPERM
	}
	out.AttrValid = forever
	t.attr(fileNode, &out.Attr)
	return fuse.OK
}

func (t *tree) Access(_ <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	if in.Mask&unix.W_OK != 0 && (in.NodeId != fileNode || !t.file.Writable) {
		return fuse.EROFS
	}
	return fuse.OK
}

// Open lets the kernel keep what it has read: the content does not change but
// by writes through the same mount.
func (t *tree) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if in.Flags&unix.O_ACCMODE != unix.O_RDONLY && !t.file.Writable {
		return fuse.EROFS
	}
	if in.Flags&unix.O_TRUNC != 0 {
		return fuse.EPERM
	}
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return fuse.OK
}

func (t *tree) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	from := t.file.Content
	if t.private != nil {
		from = t.private
	}
	off := int64(in.Offset)
	buf = buf[:min(int64(len(buf)), int64(in.Size), max(0, t.file.Size-off))]
	n, err := from.ReadAt(buf, off)
	if n < len(buf) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, t.failed(fmt.Errorf("read %d bytes at %d: %w", len(buf), off, err))
	}
	return fuse.ReadResultData(buf), fuse.OK
}

func (t *tree) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	off := int64(in.Offset)
	switch {
	case t.private == nil:
		return 0, fuse.EROFS
	case off < 0 || off >= t.file.Size:
		return 0, fuse.Status(unix.ENOSPC) // as a block device does
	}
	data = data[:min(int64(len(data)), t.file.Size-off)]
	n, err := t.private.WriteAt(data, off)
	if err != nil {
		return 0, t.failed(fmt.Errorf("write %d bytes at %d: %w", len(data), off, err))
	}
	return uint32(n), fuse.OK
}

// failed tells of err and is what the reader gets.
func (t *tree) failed(err error) fuse.Status {
	if t.file.OnError != nil {
		t.file.OnError(err)
	}
	if errors.Is(err, unix.ENOSPC) {
		return fuse.Status(unix.ENOSPC)
	}
	return fuse.EIO
}

// Fsync has nothing to do: private writes die with the mount.
func (t *tree) Fsync(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }

func (t *tree) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

func (t *tree) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	if in.NodeId != rootNode {
		return fuse.ENOTDIR
	}
	return fuse.OK
}

func (t *tree) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	entries := []fuse.DirEntry{
		{Name: ".", Ino: rootNode, Mode: unix.S_IFDIR}, {Name: "..", Ino: rootNode, Mode: unix.S_IFDIR},
		{Name: t.file.Name, Ino: fileNode, Mode: unix.S_IFREG},
	}
	for i := in.Offset; i < uint64(len(entries)); i++ {
		entries[i].Off = i + 1
		if !out.AddDirEntry(entries[i]) {
			break
		}
	}
	return fuse.OK
}

func (t *tree) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	out.Bsize, out.Frsize, out.NameLen = statFSBlock, statFSBlock, 255
	out.Blocks, out.Files = uint64(t.file.Size+statFSBlock-1)/statFSBlock, 1
	return fuse.OK
}
