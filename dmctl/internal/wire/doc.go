// Package wire is the codec of the device-mapper ioctls that
// github.com/anatol/devmapper.go lacks: bytes in, bytes out, and one small
// unsafe call.
//
// Lengths are checked before anything is read out of a kernel's answer, and
// before a name goes in.
//
// From the top down: secret, prepared, control, queue, payload, header, names.
package wire

import "errors"

// ControlNode is the path of device mapper's control node.
const ControlNode = "/dev/mapper/control"

// ErrNoPoll means that the kernel cannot report events on the control node
// (before ioctl version 4.37).
var ErrNoPoll = errors.New("this kernel reports no events on " + ControlNode)
