package dmctl

// Which targets may be layered: moved below a snapshot-origin while they are
// live.

import "github.com/dmsnapctl/dmsnapctl/dmctl/devices"

// layerable lists the targets whose table may be live in two devices at once,
// as happens briefly while the tables are swapped: targets that keep no state
// of their own about the devices below them.
var layerable = map[string]bool{
	"linear": true, "striped": true, "zero": true, "error": true, "crypt": true, "thin": true,
	"delay": true, "flakey": true, "dust": true, "unstriped": true, "switch": true,
}

// checkLayerable refuses a device with another target in its live table.
func checkLayerable(o *devices.Device) error {
	for _, t := range o.Live {
		if !layerable[t.Spec.Type()] {
			return devices.Refuse("%s has a target %s, which cannot be moved below a snapshot-origin while it is live", o.Name, t.Spec.Type())
		}
	}
	return nil
}
