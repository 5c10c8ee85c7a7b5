// Package wire is device mapper of the running kernel: its control node, and the
// codec of the ioctls that github.com/anatol/devmapper.go lacks: bytes in, bytes
// out, and one small unsafe call.
//
// Lengths are checked before anything is read out of a kernel's answer, and
// before a name goes in.
package wire

// From the top down: open, controlnode, secret, prepared, control, queue,
// payload, header.

import (
	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// ControlNode is the path of device mapper's control node.
const ControlNode = blockdev.MappedNodes + "control"

// The types of requests and answers.
type (
	Name          = devices.Name
	UUID          = devices.UUID
	Info          = devices.Info
	Listed        = devices.Listed
	TargetVersion = devices.TargetVersion
	Flags         = devices.Flags
	Udev          = devices.Udev
)
