package plan

// Steps on files used as block devices.

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Handle is a disk that a step opens for later steps; LetGo closes it.
type Handle struct {
	Disk host.Disk
	dev  blockdev.DevNo // also known after the disk is closed
}

func (h *Handle) opened(d host.Disk, err error) error {
	if err == nil {
		h.Disk, h.dev = d, d.Dev()
	}
	return err
}

func (h *Handle) close() error {
	if h.Disk == nil {
		return nil
	}
	d := h.Disk
	h.Disk = nil
	return d.Close()
}

// NewStore makes an empty file with a loop device on it. Its undo deletes the
// file after the loop device is gone.
type NewStore struct {
	Path  string
	Bytes int64
	To    *Handle
}

func (s NewStore) Says() string {
	return fmt.Sprintf("make the file %s (%d bytes, a hole) with a loop device on it", s.Path, s.Bytes)
}

func (s NewStore) do(e *Engine) error { return s.To.opened(e.NewStore(s.Path, s.Bytes)) }

func (s NewStore) undo(e *Engine) error {
	if err := s.To.close(); err != nil {
		return err
	}
	if err := e.awaitDetached(s.To.dev, s.Path); err != nil {
		return err
	}
	return e.Machine.DeleteFile(s.Path, host.FileID{})
}

// NewScratch makes an unnamed file, which goes away with its last user.
type NewScratch struct {
	Dir   string
	Bytes int64
	To    *Handle
}

func (s NewScratch) Says() string {
	return fmt.Sprintf("make a file without a name in %s (%d bytes, a hole) with a loop device on it", s.Dir, s.Bytes)
}

func (s NewScratch) do(e *Engine) error { return s.To.opened(e.NewScratch(s.Dir, s.Bytes)) }
func (s NewScratch) undo(*Engine) error { return s.To.close() }

// Claim claims a mapped device that nobody has open, so that nobody mounts it.
type Claim struct {
	Device *devices.Ref
	To     *Handle
}

func (s Claim) Says() string {
	return fmt.Sprintf("claim %s, so that nobody mounts it meanwhile", s.Device.Name)
}

func (s Claim) do(e *Engine) error {
	if err := s.To.opened(e.OpenDev(s.Device.Dev)); err != nil {
		return failed("claim", s.Device.Name, err)
	}
	err := s.To.Disk.Claim()
	if err == nil {
		err = e.awaitAlone(s.Device)
	}
	if err != nil {
		return errors.Join(failed("claim", s.Device.Name, err), s.To.close())
	}
	return nil
}

func (s Claim) undo(*Engine) error { return s.To.close() }

// FlushHandle makes the data written to a disk durable.
type FlushHandle struct {
	simple
	What string
	Of   *Handle
}

func (s FlushHandle) Says() string     { return "flush " + s.What }
func (s FlushHandle) do(*Engine) error { return s.Of.Disk.Flush() }

// LetGo closes a disk that a table has taken.
type LetGo struct {
	simple
	What string
	Of   *Handle
}

func (s LetGo) Says() string     { return "close " + s.What + ", which the table has taken" }
func (s LetGo) do(*Engine) error { return s.Of.close() }

// NameFile gives a file its final name. It may replace an existing file.
type NameFile struct {
	simple
	From, To string
	Replace  bool
}

func (s NameFile) Says() string {
	if s.Replace {
		return fmt.Sprintf("rename %s to %s, which it replaces", s.From, s.To)
	}
	return fmt.Sprintf("rename %s to %s", s.From, s.To)
}
func (s NameFile) do(e *Engine) error { return e.RenameFile(s.From, s.To, s.Replace) }

// SyncDir makes the names in a directory durable.
type SyncDir struct {
	simple
	Dir string
}

func (s SyncDir) Says() string       { return "make the names of the files in " + s.Dir + " durable" }
func (s SyncDir) do(e *Engine) error { return e.Machine.SyncDir(s.Dir) }

// KeepNote keeps a text that survives this process. Its undo drops the text.
type KeepNote struct {
	What string // the text, in words
	Name string
	Text []byte
}

func (s KeepNote) Says() string         { return "note " + s.What }
func (s KeepNote) do(e *Engine) error   { return e.WriteNote(s.Name, s.Text) }
func (s KeepNote) undo(e *Engine) error { return e.DropNote(s.Name) }

// DropNote drops a note that is no longer needed.
type DropNote struct {
	simple
	What string
	Name string
	// Done reports whether that is so; otherwise the note stays for recovery.
	Done func() bool
}

func (s DropNote) Says() string { return "drop the note " + s.What }

func (s DropNote) do(e *Engine) error {
	if s.Done != nil && !s.Done() {
		return nil
	}
	return e.Machine.DropNote(s.Name)
}

// AwaitDetached waits until an unused loop device has left its file.
type AwaitDetached struct {
	simple
	Dev  blockdev.DevNo
	Path string
}

func (s AwaitDetached) Says() string {
	return fmt.Sprintf("wait until no loop device is on %s", s.Path)
}
func (s AwaitDetached) do(e *Engine) error { return e.awaitDetached(s.Dev, s.Path) }

// DeleteFile deletes a file if it is the one with ID.
type DeleteFile struct {
	simple
	Path string
	ID   host.FileID
}

func (s DeleteFile) Says() string       { return "delete " + s.Path }
func (s DeleteFile) do(e *Engine) error { return e.Machine.DeleteFile(s.Path, s.ID) }

// firstWait is the first in a series of waits; each is twice as long as the one
// before, up to RemovePause.
const firstWait = time.Millisecond

// claimedOpens is the open count of a device that only Claim has open: the
// handle, and the same device opened again, exclusively.
const claimedOpens = 2

// awaitAlone waits for programs that are scanning a claimed device.
func (e *Engine) awaitAlone(d *devices.Ref) error {
	for try := 1; ; try++ {
		info, err := e.Info(d.Name)
		if err != nil || info.OpenCount <= claimedOpens {
			return err
		}
		if try == RemoveTries {
			return e.heldBy(d, devices.ErrBusy)
		}
		e.Sleep(RemovePause)
	}
}

// awaitDetached waits for a program that has a loop device open for a moment.
func (e *Engine) awaitDetached(dev blockdev.DevNo, path string) error {
	wait, waited := firstWait, time.Duration(0)
	for e.FileOf(dev) == path {
		if waited >= RemoveTries*RemovePause {
			return devices.Busy("a program keeps %s open, which is on %s", e.NodePath(dev), path)
		}
		e.Sleep(wait)
		waited += wait
		wait = min(2*wait, RemovePause)
	}
	return nil
}

// Dirs returns the directories of files, without duplicates.
func Dirs(paths []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, p := range paths {
		if d := filepath.Dir(p); !seen[d] {
			seen[d] = true
			out = append(out, d)
		}
	}
	return out
}
