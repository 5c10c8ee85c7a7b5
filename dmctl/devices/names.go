package devices

// The names of our devices: those that a user gives, and those derived from
// them.

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Suffixes of the names of our devices.
const (
	NewSuffix    = "-dmsnap-new"  // ends the name of a snapshot until it is finished
	RealSuffix   = "-dmsnap-real" // ends the name of the layer below a dm origin
	OriginSuffix = "-origin"      // ends the name of the snapshot-origin over a plain device
)

// VolumeStoreSuffix ends the name of the COW device of a snapshot that LVM made.
const VolumeStoreSuffix = "-cow"

// ParseName parses a name from a user. Errors wrap ErrUsage.
func ParseName(s string) (Name, error) {
	n, err := newName(s)
	if err != nil {
		err = &Reason{err.Error(), []error{ErrUsage, err}}
	}
	return n, err
}

// KnownName parses the name of an existing device in any form that a user may
// give: NAME, /dev/mapper/NAME, VG/LV or /dev/VG/LV. The last two mean LVM's
// device VG-LV, with each hyphen of its two names doubled (LVM2:
// dm_build_dm_name). Errors wrap ErrUsage.
func KnownName(s string) (Name, error) {
	if name, mapped := strings.CutPrefix(s, blockdev.MappedNodes); mapped {
		return ParseName(name)
	}
	vg, lv, ofLVM := strings.Cut(strings.TrimPrefix(s, "/dev/"), "/")
	if !ofLVM || vg == "" || lv == "" || strings.Contains(lv, "/") {
		return ParseName(s)
	}
	doubled := strings.NewReplacer("-", "--")
	return ParseName(doubled.Replace(vg) + "-" + doubled.Replace(lv))
}

// VolumeOf returns the volume group and the logical volume whose device has
// this name. LVM joins the two names by one hyphen and doubles the hyphens
// within them.
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

// CheckName reports whether a device can have this name, as a user typed it.
// Errors wrap ErrUsage.
func CheckName(s string) error {
	_, err := ParseName(s)
	return err
}

// CheckUUID is CheckName for a UUID; "" means none.
func CheckUUID(s string) error {
	if s == "" {
		return nil
	}
	_, err := mangleUUID(s)
	if err != nil {
		err = &Reason{err.Error(), []error{ErrUsage, err}}
	}
	return err
}

// MappedName returns a user's name in the form that device mapper and status
// show. A name that device mapper cannot have is returned unchanged.
func MappedName(s string) string {
	n, err := KnownName(s)
	if err != nil {
		return s
	}
	return n.String()
}

// SnapshotName validates the name of a new snapshot. It rejects the endings
// that mark unfinished snapshots and layers.
func SnapshotName(s string) (Name, error) {
	n, err := ParseName(s)
	for _, reserved := range []string{NewSuffix, RealSuffix} {
		if err == nil && strings.HasSuffix(n.String(), reserved) {
			err = Because(ErrReserved, "%q: names that end in %s are reserved", s, reserved)
		}
	}
	return n, err
}

// UnfinishedName returns the name of a snapshot until it is finished: its own
// name with NewSuffix. A long name is cut and made unique by a hash.
func UnfinishedName(n Name) (Name, error) {
	s := n.String()
	if len(s)+len(NewSuffix) <= MaxName {
		return newName(s + NewSuffix)
	}
	hash := fmt.Sprintf("-%.8x", sha256.Sum256([]byte(s)))
	s = s[:MaxName-len(NewSuffix)-len(hash)]
	if i := strings.LastIndexByte(s, '\\'); i >= 0 && i > len(s)-len(`\xNN`) {
		s = s[:i] // half of an escape
	}
	return newName(s + hash + NewSuffix)
}

// NameWith returns the name of a device made beside or below n.
func NameWith(n Name, suffix string) (Name, error) {
	if most := MaxName - len(suffix); len(n.String()) > most {
		return Name{}, Malformed("%.40s... has %d bytes: with the device %s beside it, a name has at most %d", n, len(n.String()), "NAME"+suffix, most)
	}
	return newName(n.String() + suffix)
}
