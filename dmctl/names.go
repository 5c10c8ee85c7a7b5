package dmctl

// Names as users type them.

import "github.com/dmsnapctl/dmsnapctl/dmctl/devices"

// OwnerOurs is the owner of snapshots that this package made.
const OwnerOurs = devices.OwnerOurs

// CheckName reports whether a device can have this name, as a user typed it.
// Errors wrap ErrUsage.
func CheckName(s string) error { return devices.CheckName(s) }

// CheckUUID is CheckName for a UUID; "" means none.
func CheckUUID(s string) error { return devices.CheckUUID(s) }

// MappedName returns a user's name in the form that device mapper and status
// show. A name that device mapper cannot have is returned unchanged.
func MappedName(s string) string { return devices.MappedName(s) }
