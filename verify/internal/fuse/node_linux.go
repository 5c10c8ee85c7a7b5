package fuse

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// rootNode is the directory's inode. The files have the inodes after it.
const rootNode = fuse.FUSE_ROOT_ID

// forever is how long the kernel may cache names and attributes. Neither
// changes, and no name or inode is ever reused for another file.
const forever = 24 * 60 * 60 // seconds

// statFSBlock is the unit of statfs(2).
const statFSBlock = 4096

// tree answers the kernel's requests: a directory of files.
type tree struct {
	fuse.RawFileSystem // answers ENOSYS to everything not implemented here
	born               time.Time

	mu     sync.RWMutex
	byName map[string]*node
	byNode map[uint64]*node
	last   uint64 // the inode that was assigned last
}

// node is a file of the tree.
type node struct {
	File
	number  uint64
	private *Private // nil if the file cannot be written

	requests sync.RWMutex // held for reading by each request while it is answered
	gone     bool
}

func newTree() *tree {
	return &tree{
		RawFileSystem: fuse.NewDefaultRawFileSystem(), born: time.Now(),
		byName: map[string]*node{}, byNode: map[uint64]*node{}, last: rootNode,
	}
}

// add adds a file. Its name must be new to the tree.
func (t *tree) add(f File) (*node, error) {
	if f.Name == "" || f.Name == "." || f.Name == ".." || strings.ContainsRune(f.Name, '/') {
		return nil, fmt.Errorf("%q is no name of a file", f.Name)
	}
	n := &node{File: f}
	if f.Writable {
		n.private = NewPrivate(f.Content, f.Size, f.SpillDir)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byName[f.Name] != nil {
		return nil, fmt.Errorf("there is a file %q already", f.Name)
	}
	t.last++
	n.number = t.last
	t.byName[f.Name], t.byNode[n.number] = n, n
	return n, nil
}

// remove removes a file. When it returns, the content is no longer read, and
// writes to the file are gone.
func (t *tree) remove(n *node) {
	t.mu.Lock()
	delete(t.byName, n.Name)
	delete(t.byNode, n.number)
	t.mu.Unlock()
	n.requests.Lock()
	defer n.requests.Unlock()
	if n.gone = true; n.private != nil {
		_ = n.private.Close() // an unnamed file; its writes are no longer needed
	}
}

// removeAll takes all files away.
func (t *tree) removeAll() {
	for _, n := range t.files() {
		t.remove(n)
	}
}

// files are all files, in the order in which they were added.
func (t *tree) files() []*node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.SortedFunc(maps.Values(t.byNode), func(a, b *node) int { return cmp.Compare(a.number, b.number) })
}

// node returns the file with an inode, or nil if the file is gone. done must
// be called after the request is answered.
func (t *tree) node(number uint64) (n *node, done func()) {
	t.mu.RLock()
	n = t.byNode[number]
	t.mu.RUnlock()
	if n == nil {
		return nil, func() {}
	}
	n.requests.RLock()
	if n.gone {
		n.requests.RUnlock()
		return nil, func() {}
	}
	return n, n.requests.RUnlock
}

func (t *tree) String() string { return "dmsnapctl" }

// attr fills in the attributes of a file, or of the directory if n is nil.
func (t *tree) attr(n *node, out *fuse.Attr) {
	out.Ino, out.Owner, out.Nlink = rootNode, fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}, 1
	out.SetTimes(&t.born, &t.born, &t.born)
	if n == nil {
		out.Mode, out.Nlink = unix.S_IFDIR|0o500, 2
		return
	}
	out.Ino, out.Mode, out.Size, out.Blocks, out.Blksize = n.number, unix.S_IFREG|0o400, uint64(n.Size), uint64(n.Size+511)/512, 128<<10
	if n.Writable {
		out.Mode |= 0o200
	}
}

func (t *tree) Lookup(_ <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	t.mu.RLock()
	n := t.byName[name]
	t.mu.RUnlock()
	if header.NodeId != rootNode || n == nil {
		return fuse.ENOENT
	}
	out.NodeId, out.EntryValid, out.AttrValid = n.number, forever, forever
	t.attr(n, &out.Attr)
	return fuse.OK
}

func (t *tree) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, done := t.node(in.NodeId)
	defer done()
	if n == nil && in.NodeId != rootNode {
		return fuse.ENOENT
	}
	out.AttrValid = forever
	t.attr(n, &out.Attr)
	return fuse.OK
}

// SetAttr accepts times, and the size that the file already has: programs set
// both on files they write. Nothing else can be changed.
func (t *tree) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, done := t.node(in.NodeId)
	defer done()
	if n == nil || !n.Writable {
		return fuse.EROFS
	}
	if size, ok := in.GetSize(); ok && size != uint64(n.Size) {
		return fuse.EPERM
	}
	if in.Valid&(fuse.FATTR_MODE|fuse.FATTR_UID|fuse.FATTR_GID) != 0 {
		return fuse.EPERM
	}
	out.AttrValid = forever
	t.attr(n, &out.Attr)
	return fuse.OK
}

func (t *tree) Access(_ <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	n, done := t.node(in.NodeId)
	defer done()
	if in.Mask&unix.W_OK != 0 && (n == nil || !n.Writable) {
		return fuse.EROFS
	}
	return fuse.OK
}

// Open lets the kernel cache what it has read: the content changes only by
// writes through the same mount.
func (t *tree) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n, done := t.node(in.NodeId)
	defer done()
	switch {
	case n == nil:
		return fuse.ENOENT
	case in.Flags&unix.O_ACCMODE != unix.O_RDONLY && !n.Writable:
		return fuse.EROFS
	case in.Flags&unix.O_TRUNC != 0:
		return fuse.EPERM
	}
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return fuse.OK
}

func (t *tree) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	f, done := t.node(in.NodeId)
	defer done()
	if f == nil {
		return nil, fuse.EIO
	}
	from := f.Content
	if f.private != nil {
		from = f.private
	}
	off := int64(in.Offset)
	buf = buf[:min(int64(len(buf)), int64(in.Size), max(0, f.Size-off))]
	if err := blockdev.ReadFull(from, buf, off); err != nil {
		return nil, f.failed(fmt.Errorf("read %d bytes at %d: %w", len(buf), off, err))
	}
	return fuse.ReadResultData(buf), fuse.OK
}

func (t *tree) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	f, done := t.node(in.NodeId)
	defer done()
	off := int64(in.Offset)
	switch {
	case f == nil:
		return 0, fuse.EIO
	case f.private == nil:
		return 0, fuse.EROFS
	case off < 0 || off >= f.Size:
		return 0, fuse.Status(unix.ENOSPC) // as a block device does
	}
	data = data[:min(int64(len(data)), f.Size-off)]
	n, err := f.private.WriteAt(data, off)
	if err != nil {
		return 0, f.failed(fmt.Errorf("write %d bytes at %d: %w", len(data), off, err))
	}
	return uint32(n), fuse.OK
}

// failed reports err and returns the status for the reader.
func (n *node) failed(err error) fuse.Status {
	if n.OnError != nil {
		n.OnError(err)
	}
	if errors.Is(err, unix.ENOSPC) {
		return fuse.Status(unix.ENOSPC)
	}
	return fuse.EIO
}

// Fsync does nothing: private writes are lost with the file anyway.
func (t *tree) Fsync(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }

func (t *tree) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

func (t *tree) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	if in.NodeId != rootNode {
		return fuse.ENOTDIR
	}
	return fuse.OK
}

func (t *tree) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	entries := []fuse.DirEntry{{Name: ".", Ino: rootNode, Mode: unix.S_IFDIR}, {Name: "..", Ino: rootNode, Mode: unix.S_IFDIR}}
	for _, n := range t.files() {
		entries = append(entries, fuse.DirEntry{Name: n.Name, Ino: n.number, Mode: unix.S_IFREG})
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
	for _, n := range t.files() {
		out.Blocks += uint64(n.Size+statFSBlock-1) / statFSBlock
		out.Files++
	}
	return fuse.OK
}
