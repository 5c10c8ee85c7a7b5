package devices

// The names of our devices: those that a user gives, and those that are made
// of them.

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
)

const (
	NewSuffix    = "-dmsnap-new"  // ends the name of a snapshot until it is finished
	RealSuffix   = "-dmsnap-real" // ends that of the layer below a dm origin
	OriginSuffix = "-origin"      // ends that of the snapshot-origin over a plain device
)

// ParseName is a name that a user gave; errors wrap ErrUsage.
func ParseName(s string) (Name, error) {
	n, err := wire.NewName(s)
	if err != nil {
		err = &Reason{err.Error(), []error{ErrUsage, err}}
	}
	return n, err
}

// KnownName is the name of a device that is there, in any form in which a user
// may give it: NAME, /dev/mapper/NAME, VG/LV or /dev/VG/LV, where LVM's device
// VG-LV is meant, with each hyphen of its two names doubled (LVM2:
// dm_build_dm_name). Errors wrap ErrUsage.
func KnownName(s string) (Name, error) {
	if name, mapped := strings.CutPrefix(s, "/dev/mapper/"); mapped {
		return ParseName(name)
	}
	vg, lv, ofLVM := strings.Cut(strings.TrimPrefix(s, "/dev/"), "/")
	if !ofLVM || vg == "" || lv == "" || strings.Contains(lv, "/") {
		return ParseName(s)
	}
	doubled := strings.NewReplacer("-", "--")
	return ParseName(doubled.Replace(vg) + "-" + doubled.Replace(lv))
}

// VolumeOf are the volume group and the logical volume whose device has this
// name: LVM's hyphen between them stands alone, those of the names are doubled.
func VolumeOf(n Name) (vg, lv string, ok bool) {
	s := n.String()
	for i := 0; i < len(s); i++ {
		if s[i] != '-' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '-' {
			i++
			continue
		}
		single := strings.NewReplacer("--", "-")
		vg, lv = single.Replace(s[:i]), single.Replace(s[i+1:])
		return vg, lv, vg != "" && lv != ""
	}
	return "", "", false
}

// CheckName says whether a device can have this name, as a user typed it;
// errors wrap ErrUsage.
func CheckName(s string) error {
	_, err := ParseName(s)
	return err
}

// CheckUUID is CheckName for a UUID, "" for none.
func CheckUUID(s string) error {
	if s == "" {
		return nil
	}
	_, err := wire.MangleUUID(s)
	if err != nil {
		err = &Reason{err.Error(), []error{ErrUsage, err}}
	}
	return err
}

// MappedName is a name that a user gave as device mapper has it, and status
// shows it. One that it cannot have stays as it is.
func MappedName(s string) string {
	n, err := KnownName(s)
	if err != nil {
		return s
	}
	return n.String()
}

// SnapshotName validates the name of a snapshot-to-be. Names that end as those of
// unfinished snapshots and layers do would be taken for such.
func SnapshotName(s string) (Name, error) {
	n, err := ParseName(s)
	for _, reserved := range []string{NewSuffix, RealSuffix} {
		if err == nil && strings.HasSuffix(n.String(), reserved) {
			err = Malformed("%q: names that end in %s are reserved: choose another one", s, reserved)
		}
	}
	return n, err
}

// UnfinishedName is the name of a snapshot until it is finished: its own with
// NewSuffix. A long one is cut, and told from others by a hash.
func UnfinishedName(n Name) (Name, error) {
	s := n.String()
	if len(s)+len(NewSuffix) <= wire.MaxName {
		return wire.NewName(s + NewSuffix)
	}
	hash := fmt.Sprintf("-%.8x", sha256.Sum256([]byte(s)))
	s = s[:wire.MaxName-len(NewSuffix)-len(hash)]
	if i := strings.LastIndexByte(s, '\\'); i >= 0 && i > len(s)-len(`\xNN`) {
		s = s[:i] // half of an escape
	}
	return wire.NewName(s + hash + NewSuffix)
}

// NameWith is the name of a device that is made beside or below n.
func NameWith(n Name, suffix string) (Name, error) {
	if most := wire.MaxName - len(suffix); len(n.String()) > most {
		return Name{}, Malformed("%.40s... has %d bytes: with the device %s beside it, a name has at most %d", n, len(n.String()), "NAME"+suffix, most)
	}
	return wire.NewName(n.String() + suffix)
}
