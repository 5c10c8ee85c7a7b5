package dmctl

// The names of our devices: those that a user gives, and those that are made
// of them.

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
)

const (
	newSuffix    = "-dmsnap-new"  // ends the name of a snapshot until it is finished
	realSuffix   = "-dmsnap-real" // ends that of the layer below a dm origin
	originSuffix = "-origin"      // ends that of the snapshot-origin over a plain device
)

// typedName is a name that a user gave; errors wrap ErrUsage.
func typedName(s string) (wire.Name, error) {
	n, err := wire.NewName(s)
	if err != nil {
		err = &reason{err.Error(), []error{ErrUsage, err}}
	}
	return n, err
}

// CheckName says whether a device can have this name, as a user typed it;
// errors wrap ErrUsage.
func CheckName(s string) error {
	_, err := typedName(s)
	return err
}

// CheckUUID is CheckName for a UUID, "" for none.
func CheckUUID(s string) error {
	if s == "" {
		return nil
	}
	_, err := wire.MangleUUID(s)
	if err != nil {
		err = &reason{err.Error(), []error{ErrUsage, err}}
	}
	return err
}

// MappedName is a name that a user gave as device mapper has it, and status
// shows it. One that it cannot have stays as it is.
func MappedName(s string) string {
	n, err := typedName(s)
	if err != nil {
		return s
	}
	return n.String()
}

// newName validates the name of a snapshot-to-be. Names that end as those of
// unfinished snapshots and layers do would be taken for such.
func newName(s string) (wire.Name, error) {
	n, err := typedName(s)
	for _, reserved := range []string{newSuffix, realSuffix} {
		if err == nil && strings.HasSuffix(n.String(), reserved) {
			err = malformed("%q: names that end in %s are dmsnapctl's own: choose another one", s, reserved)
		}
	}
	return n, err
}

// unfinishedName is the name of a snapshot until it is finished: its own with
// newSuffix. A long one is cut, and told from others by a hash.
func unfinishedName(n wire.Name) (wire.Name, error) {
	s := n.String()
	if len(s)+len(newSuffix) <= wire.MaxName {
		return wire.NewName(s + newSuffix)
	}
	hash := fmt.Sprintf("-%.8x", sha256.Sum256([]byte(s)))
	s = s[:wire.MaxName-len(newSuffix)-len(hash)]
	if i := strings.LastIndexByte(s, '\\'); i >= 0 && i > len(s)-len(`\xNN`) {
		s = s[:i] // half of an escape
	}
	return wire.NewName(s + hash + newSuffix)
}

// nameWith is the name of a device that is made beside or below n.
func nameWith(n wire.Name, suffix string) (wire.Name, error) {
	if most := wire.MaxName - len(suffix); len(n.String()) > most {
		return wire.Name{}, malformed("%.40s... has %d bytes: with the device %s beside it, a name has at most %d", n, len(n.String()), "NAME"+suffix, most)
	}
	return wire.NewName(n.String() + suffix)
}
