package dmctl

// The files of clones that are being made, replaced or deleted: what a killed
// run leaves of them is known by a note, which the machine forgets when it
// stops, as it does the devices.

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// storeSuffix ends the name of a clone's file.
const storeSuffix = ".cow"

// noted is a file that is not yet what it is to be. It has Temp for its name,
// which no other file ever has, until a clone has it; then it becomes Final. Or
// it is Doomed: to be deleted.
type noted struct {
	Temp    string      `json:"temp,omitempty"`
	Final   string      `json:"final,omitempty"`
	Replace bool        `json:"replace,omitempty"` // there is a file with the name Final, whose clone is reset
	Doomed  string      `json:"doomed,omitempty"`
	ID      host.FileID `json:"id,omitzero"`     // of the doomed file
	Clone   string      `json:"clone,omitempty"` // that goes with the doomed file
}

// note is what a run has under way.
type note struct {
	Files []noted `json:"files"`
	name  string
}

func newNote() *note { return &note{name: "files-" + randomHex()} }

func randomHex() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // which never fails
	return fmt.Sprintf("%x", b)
}

// tempName is that of a file which no clone has had yet.
var tempName = regexp.MustCompile(`^\..*\.dmsnap-[0-9a-f]{12}$`)

func (n *note) add(final string, replace bool) noted {
	dir, base := filepath.Split(final)
	const longest = 255 - len("..dmsnap-") - 12
	f := noted{Temp: dir + "." + base[:min(len(base), longest)] + ".dmsnap-" + randomHex(), Final: final, Replace: replace}
	n.Files = append(n.Files, f)
	return f
}

func (n *note) doom(path string, id host.FileID, clone devices.Name) {
	n.Files = append(n.Files, noted{Doomed: path, ID: id, Clone: clone.String()})
}

// around has a plan's parts happen between the making and the dropping of a
// note of the files that they are about.
func (c *Controller) around(p *Plan, n *note) {
	if len(n.Files) == 0 {
		return
	}
	text, err := json.Marshal(n)
	if err != nil {
		panic(err) // of strings and numbers
	}
	var paths []string
	for _, f := range n.Files {
		paths = append(paths, f.Final+f.Doomed)
	}
	what := fmt.Sprintf("%s which of the stores' files are not finished", n.name)
	p.Add(plan.KeepNote{What: what, Name: n.name, Text: text})
	for _, dir := range plan.Dirs(paths) {
		p.Finish(plan.SyncDir{Dir: dir})
	}
	p.Finish(plan.DropNote{What: n.name, Name: n.name, Done: func() bool { return c.isSettled(n) }})
}

// isSettled says that nothing is left to be done for a note.
func (c *Controller) isSettled(n *note) bool {
	return !slices.ContainsFunc(n.Files, func(f noted) bool {
		if f.Temp != "" {
			there, err := c.e.Exists(f.Temp)
			return there || err != nil
		}
		id, err := c.e.FileID(f.Doomed)
		if err != nil || id != f.ID {
			return false
		}
		name, err := devices.ParseName(f.Clone)
		if err == nil {
			_, err = c.e.Info(name)
		}
		return err != nil // a clone that was not removed keeps its file
	})
}

// files puts the files in order that a killed run had under way: one that a
// clone has gets its name, all others go.
func (r *recovery) files() {
	notes, err := r.c.e.Notes()
	if err != nil {
		r.p.NoteAbout(ErrUnfinished, "", "the notes of what was under way cannot be read: %v", err)
		return
	}
	for _, n := range readNotes(notes) {
		for _, f := range n.Files {
			r.file(f)
		}
		r.p.Finish(plan.DropNote{What: n.name, Name: n.name, Done: func() bool { return r.c.isSettled(n) }})
	}
}

// readNotes reads notes in the order of their names. One that was not written
// whole has nothing under way.
func readNotes(notes map[string][]byte) []*note {
	var out []*note
	for _, name := range slices.Sorted(maps.Keys(notes)) {
		n := &note{name: name}
		if json.Unmarshal(notes[name], n) != nil {
			n.Files = nil
		}
		out = append(out, n)
	}
	return out
}

func (r *recovery) file(f noted) {
	path := f.Temp + f.Doomed
	if there, err := r.c.e.Exists(path); err != nil || !there {
		return
	}
	user, dev := r.userOf(path)
	switch {
	case user != nil && !r.doomed[user] && f.Temp != "":
		if f.Replace {
			if there, _ := r.c.e.Exists(f.Final); there {
				r.awaitUnused(f.Final)
			}
		}
		r.p.Finish(plan.NameFile{From: f.Temp, To: f.Final, Replace: f.Replace})
	case user != nil && !r.doomed[user]:
		// Its clone was not removed: it stays with it.
	default:
		if user != nil {
			r.p.Finish(plan.AwaitDetached{Dev: dev, Path: path})
		}
		r.p.Finish(plan.DeleteFile{Path: path, ID: f.ID})
	}
}

// userOf is the device one of whose tables has the loop device on a file, and
// that loop device; nil where there is none.
func (r *recovery) userOf(path string) (*devices.Device, blockdev.DevNo) {
	for _, d := range r.v {
		for _, t := range []table.Table{d.Live, d.Waiting} {
			s, _ := devices.SoleSpec(t).(table.Snapshot)
			if dev, ok := devices.ParseDev(s.COW); ok && r.c.e.FileOf(dev) == path {
				return d, dev
			}
		}
	}
	return nil, blockdev.DevNo{}
}

// awaitUnused waits for a file's loop device to go, if it has one.
func (r *recovery) awaitUnused(path string) {
	if _, dev := r.userOf(path); dev.Major != 0 {
		r.p.Finish(plan.AwaitDetached{Dev: dev, Path: path})
	}
}
