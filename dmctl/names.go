package dmctl

// Names as users type them.

import "github.com/dmsnapctl/dmsnapctl/dmctl/devices"

// OwnerOurs is the owner of snapshots that this package made.
const OwnerOurs = devices.OwnerOurs

// CheckName says whether a device can have this name, as a user typed it;
// errors wrap ErrUsage.
func CheckName(s string) error { return devices.CheckName(s) }

// CheckUUID is CheckName for a UUID, "" for none.
func CheckUUID(s string) error { return devices.CheckUUID(s) }

// MappedName is a name that a user gave as device mapper has it, and status
// shows it. One that it cannot have stays as it is.
func MappedName(s string) string { return devices.MappedName(s) }
