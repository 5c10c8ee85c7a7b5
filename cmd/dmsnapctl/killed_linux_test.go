package main

// Commands that change a store are killed before each of their steps: each
// write, flush, truncation and new name that reaches the file system, which
// counts them.

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
)

// reaper kills a process before a step of it has any effect.
type reaper struct {
	mu      sync.Mutex
	left    int // steps that may be taken
	process *os.Process
	killed  bool
}

// step reports whether the step may be taken.
func (r *reaper) step() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return true
	}
	if r.left--; r.left < 0 {
		r.killed = true
		_ = r.process.Kill()
	}
	return !r.killed
}

// counted is a file or directory of the counting file system.
type counted struct {
	fs.LoopbackNode
	r *reaper
}

// WrapChild makes each file below one that counts, too.
func (n *counted) WrapChild(context.Context, fs.InodeEmbedder) fs.InodeEmbedder {
	return &counted{LoopbackNode: fs.LoopbackNode{RootData: n.RootData}, r: n.r}
}

// handle is an open file. It hides the way past this file system that newer
// kernels use.
type handle struct {
	fs.FileReader
	fs.FileWriter
	fs.FileFsyncer
	fs.FileReleaser
}

func handleOf(f fs.FileHandle) fs.FileHandle {
	return handle{f.(fs.FileReader), f.(fs.FileWriter), f.(fs.FileFsyncer), f.(fs.FileReleaser)}
}

func (n *counted) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	f, flags, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return handleOf(f), flags, 0
}

func (n *counted) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if !n.r.step() {
		return nil, nil, 0, unix.EIO
	}
	inode, f, flags, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return inode, handleOf(f), flags, 0
}

func (n *counted) Write(ctx context.Context, f fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	if !n.r.step() {
		return 0, unix.EIO
	}
	return f.(fs.FileWriter).Write(ctx, data, off)
}

func (n *counted) Fsync(ctx context.Context, f fs.FileHandle, flags uint32) syscall.Errno {
	if !n.r.step() {
		return unix.EIO
	}
	return f.(fs.FileFsyncer).Fsync(ctx, flags)
}

func (n *counted) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if !n.r.step() {
		return unix.EIO
	}
	return n.LoopbackNode.Setattr(ctx, f, in, out)
}

func (n *counted) Rename(ctx context.Context, name string, parent fs.InodeEmbedder, to string, flags uint32) syscall.Errno {
	if !n.r.step() {
		return unix.EIO
	}
	return n.LoopbackNode.Rename(ctx, name, parent, to, flags)
}

func (n *counted) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if !n.r.step() {
		return nil, unix.EIO
	}
	return n.LoopbackNode.Link(ctx, target, name, out)
}

func (n *counted) Unlink(ctx context.Context, name string) syscall.Errno {
	if !n.r.step() {
		return unix.EIO
	}
	return n.LoopbackNode.Unlink(ctx, name)
}

// countingOn shows the working directory in another place, where steps are
// counted. This process must not access that place.
func countingOn(t *testing.T, r *reaper) (mounted string) {
	t.Helper()
	below, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root := &fs.LoopbackRoot{Path: below}
	root.RootNode = &counted{LoopbackNode: fs.LoopbackNode{RootData: root}, r: r}
	mounted = t.TempDir()
	server, err := fs.Mount(mounted, root.RootNode, &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return mounted
}

// killedAfter runs the program until it has taken some steps, and reports
// whether it was killed for the next.
func (r *reaper) killedAfter(t *testing.T, steps int, program, dir, line string) bool {
	t.Helper()
	cmd := exec.Command("sh", "-c", `read go; cd "$0" && exec "$@"`, dir)
	cmd.Args = append(append(cmd.Args, program), strings.Fields(line)...)
	begin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.left, r.process, r.killed = steps, cmd.Process, false
	r.mu.Unlock()
	_ = begin.Close()
	err = cmd.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process = nil
	if !r.killed && err != nil {
		t.Fatalf("%s: %v: %s", line, err, &said)
	}
	return r.killed
}

// TestKilledAtEveryStep: no matter where a run is killed, the snapshot shows
// the same, a second run finishes, and the undo file of both undoes them.
func TestKilledAtEveryStep(t *testing.T) {
	program := programPath(t)
	if _, err := os.Stat("/dev/fuse"); os.Geteuid() != 0 || errors.Is(err, os.ErrNotExist) {
		t.Skip("counting steps takes root and a kernel with FUSE; TestInterruptedTools needs neither")
	}
	for name, tc := range map[string]struct {
		damage func([]byte)
		line   string
		whole  bool   // the store is never marked invalid meanwhile
		undo   string // restores the former content
	}{
		"repair":        {staleRecord, "repair store", true, "restore undo store --yes"},
		"a lost header": {func(s []byte) { copy(s, "no header at all") }, "repair store", false, "apply undo --to store --yes"},
		"revalidate":    {invalidate, "revalidate store --origin-unchanged --grow-by 64K", false, "restore undo store --yes"},
		"reclaim":       {func([]byte) {}, "reclaim store", true, "restore undo store --yes"},
		"restore":       {staleRecord, "restore lines store", false, "restore undo store --yes"},
		"apply":         {func([]byte) {}, "apply store --to origin", true, "apply undo --to origin --yes"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newToolbox(t)
			b.run(exitFine, "dump store -o lines")
			b.damage(tc.damage)
			origin, store := b.read("origin"), b.read("store")
			r := &reaper{}
			dir := countingOn(t, r)
			shown := func(when string, steps int) {
				t.Helper()
				if name == "a lost header" { // nobody knows whether it was invalidated
					b.run(exitFine, "revalidate store --origin-unchanged --yes")
				}
				if out, _ := b.run(exitFine, "extract store --origin origin -o -"); out != string(b.shows) {
					t.Errorf("%s, after %d steps: the snapshot shows something else", when, steps)
				}
			}
			line, steps := tc.line+" --undo undo --yes", 0
			for ; ; steps += thorough.Of(11, 1) {
				for _, file := range []string{"undo", "undo.dump"} {
					_ = os.Remove(file)
				}
				b.write("origin", origin)
				b.write("store", store)
				if !r.killedAfter(t, steps, program, dir, line) {
					break
				}
				if tc.whole {
					shown("killed", steps)
				}
				b.run(exitFine, line)
				shown("finished", steps)
				b.run(exitFine, tc.undo)
				if name == "apply" {
					b.run(exitFine, "restore undo.dump store --yes")
				}
				// Chunks that nothing names may hold something else.
				if !bytes.Equal(b.read("store")[:2*toolChunk], store[:2*toolChunk]) || !bytes.Equal(b.read("origin"), origin) {
					t.Errorf("after %d steps: the undo file does not undo", steps)
				}
			}
			shown("not killed", steps)
			if steps < 5 {
				t.Errorf("only %d steps", steps)
			}
		})
	}
}
