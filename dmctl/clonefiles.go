package dmctl

// The files of clones that are being made, replaced or deleted. A note records
// them, so that they can be found after a killed run. Notes and devices both
// vanish when the machine stops.

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// storeSuffix ends the name of a clone's file.
const storeSuffix = ".cow"

// noted is a file that is not finished. It is called Temp, a name that no other
// file ever has, until a clone uses it; then it becomes Final. Or it is Doomed:
// to be deleted.
type noted struct {
	Temp    string      `json:"temp,omitempty"`
	Final   string      `json:"final,omitempty"`
	Replace bool        `json:"replace,omitempty"` // a file called Final exists, and its clone is reset
	Doomed  string      `json:"doomed,omitempty"`
	ID      host.FileID `json:"id,omitzero"`     // of the doomed file
	Clone   string      `json:"clone,omitempty"` // removed together with the doomed file
}

// note lists the files that a run is working on.
type note struct {
	Files []noted `json:"files"`
	name  string
}

func newNote() *note { return &note{name: "files-" + randomHex()} }

// A file that no clone has used yet has a name that ends with tempMark and
// this many digits.
const (
	tempMark     = ".dmsnap-"
	randomDigits = 12
)

func randomHex() string {
	var b [randomDigits / 2]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x", b)
}

// isTempName matches the name of a file that no clone has used yet.
// A regular expression would be compiled by every run of the program.
func isTempName(name string) bool {
	i := strings.LastIndex(name, tempMark)
	return i > 0 && name[0] == '.' && len(name) == i+len(tempMark)+randomDigits &&
		strings.Trim(name[i+len(tempMark):], "0123456789abcdef") == ""
}

func (n *note) add(final string, replace bool) noted {
	dir, base := filepath.Split(final)
	const longest = 255 - len("."+tempMark) - randomDigits
	f := noted{Temp: dir + "." + base[:min(len(base), longest)] + tempMark + randomHex(), Final: final, Replace: replace}
	n.Files = append(n.Files, f)
	return f
}

func (n *note) doom(path string, id host.FileID, clone devices.Name) {
	n.Files = append(n.Files, noted{Doomed: path, ID: id, Clone: clone.String()})
}

// around runs a plan's parts between writing and dropping a note of their
// files.
func (c *Controller) around(p *Plan, n *note) {
	if len(n.Files) == 0 {
		return
	}
	text, err := json.Marshal(n)
	if err != nil {
		panic(err) // cannot fail for strings and numbers
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

// isSettled reports whether a note needs no more work.
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

// files cleans up the files of a killed run: a file that a clone uses gets its
// final name, all others are deleted.
func (r *recovery) files() {
	notes, err := r.c.e.Notes()
	if err != nil {
		r.p.NoteAbout(ErrUnfinished, "", "cannot read the notes of interrupted runs: %v", err)
		return
	}
	for _, n := range readNotes(notes) {
		for _, f := range n.Files {
			r.file(f)
		}
		r.p.Finish(plan.DropNote{What: n.name, Name: n.name, Done: func() bool { return r.c.isSettled(n) }})
	}
}

// readNotes reads notes in the order of their names. An incompletely written
// note lists nothing.
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
		// Its clone was not removed: the file stays with it.
	default:
		if user != nil {
			r.p.Finish(plan.AwaitDetached{Dev: dev, Path: path})
		}
		r.p.Finish(plan.DeleteFile{Path: path, ID: f.ID})
	}
}

// storeUser is a device with a table that uses the loop device on a file.
type storeUser struct {
	*devices.Device
	loop blockdev.DevNo
}

// userOf returns the user of a file's loop device, nil if it has none. The kernel
// is asked once about each loop device: there may be thousands of files.
func (r *recovery) userOf(path string) (*devices.Device, blockdev.DevNo) {
	if r.users == nil {
		r.users = map[string]storeUser{}
		for _, d := range r.v {
			for _, t := range []table.Table{d.Live, d.Waiting} {
				s, _ := devices.SoleSpec(t).(table.Snapshot)
				if dev, ok := devices.ParseDev(s.COW); ok {
					r.use(r.c.e.FileOf(dev), storeUser{d, dev})
				}
			}
		}
	}
	u := r.users[path]
	return u.Device, u.loop
}

// use notes the first user of a file.
func (r *recovery) use(path string, u storeUser) {
	if _, used := r.users[path]; !used && path != "" {
		r.users[path] = u
	}
}

// awaitUnused waits for a file's loop device to go, if it has one.
func (r *recovery) awaitUnused(path string) {
	if _, dev := r.userOf(path); dev.Major != 0 {
		r.p.Finish(plan.AwaitDetached{Dev: dev, Path: path})
	}
}
