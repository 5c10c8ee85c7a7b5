package devices

// The UUIDs of our devices. A snapshot has no record besides its UUID and its
// tables. The UUID says what the device is for, so that a killed run can be
// finished or undone from the kernel's state alone.

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Role is the purpose of one of our devices.
type Role string

// The roles. A UUID ends with the role, so the values must not change.
const (
	RoleSnapshot  Role = "snap"   // a snapshot made since boot: its origin was always watched
	RoleActivated Role = "active" // a snapshot activated from an existing store
	RoleClone     Role = "clone"  // a snapshot of a base that nobody writes to
	RoleOrigin    Role = "origin" // NAME-origin over a plain block device
	RoleReal      Role = "real"   // ORIGIN-dmsnap-real, with the origin's own table
	RoleRecording Role = "record" // a device under dm-log-writes
)

// The prefix of our UUIDs, and names of the owners that OwnerOf returns.
const (
	uuidPrefix = "DMSNAP-"
	OwnerOurs  = "dmsnapctl"
	OwnerLVM   = "LVM"
)

// NewUUID makes a UUID for a device of a role over another device: for a
// snapshot its COW device, for a clone its base. The form is DMSNAP-<24 hex
// digits>-<major>.<minor>-<role>. While a snapshot is being merged, its own
// table no longer describes it, but its UUID still names the COW device.
func NewUUID(r Role, over blockdev.DevNo) (UUID, error) {
	var id [12]byte
	if _, err := rand.Read(id[:]); err != nil {
		return UUID{}, err
	}
	return UUIDOf(fmt.Sprintf("%s%x-%d.%d-%s", uuidPrefix, id, over.Major, over.Minor, r))
}

// ParseUUID reads a UUID made by NewUUID; ok is false for all others.
func ParseUUID(u UUID) (r Role, over blockdev.DevNo, ok bool) {
	rest, ours := strings.CutPrefix(u.String(), uuidPrefix)
	parts := strings.Split(rest, "-")
	if !ours || len(parts) != 3 {
		return "", over, false
	}
	over, err := blockdev.ParseDevNo(strings.Replace(parts[1], ".", ":", 1))
	return Role(parts[2]), over, err == nil
}

// foreignOwners lists the UUID prefixes of tools that reload their devices'
// tables themselves, and would silently drop a snapshot-origin.
var foreignOwners = map[string]string{"LVM-": OwnerLVM, "mpath-": "multipath", "CRYPT-": "cryptsetup"}

// wholeUUID removes the prefix part<N>- that kpartx puts before a mapped
// device's UUID for its partitions (multipath-tools, kpartx/kpartx.c).
// Partitions go with the device: its owner reloads their tables, too.
func wholeUUID(uuid string) string {
	if rest, is := strings.CutPrefix(uuid, "part"); is {
		number, whole, cut := strings.Cut(rest, "-")
		if _, err := strconv.ParseUint(number, 10, 32); cut && err == nil {
			return whole
		}
	}
	return uuid
}

// OwnerOf returns the manager of a device: us, one of the foreign owners, or
// "".
func OwnerOf(u UUID) string {
	if strings.HasPrefix(u.String(), uuidPrefix) {
		return OwnerOurs
	}
	for prefix, owner := range foreignOwners {
		if strings.HasPrefix(wholeUUID(u.String()), prefix) {
			return owner
		}
	}
	return ""
}
