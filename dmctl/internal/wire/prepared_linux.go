package wire

// Calls whose buffers are made in advance.

import (
	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Prepared is a call with its buffers. Running it allocates nothing, so it
// works while the swap space is suspended.
type Prepared struct {
	c         *Control
	cmd       uintptr
	call, buf []byte // the kernel writes its answer over buf
}

// PrepareResume prepares what Resume does, for a device by its number.
func (c *Control) PrepareResume(dev blockdev.DevNo, udev Udev) *Prepared {
	return c.prepare(unix.DM_DEV_SUSPEND, request{dev: dev, eventNr: uint32(udev) << udevShift})
}

// PrepareInfo prepares what Info does, for a device by its number.
func (c *Control) PrepareInfo(dev blockdev.DevNo) *Prepared {
	return c.prepare(unix.DM_DEV_STATUS, request{dev: dev})
}

func (c *Control) prepare(cmd uintptr, r request) *Prepared {
	call := r.encode()
	return &Prepared{c, cmd, call, make([]byte, len(call))}
}

// Run makes the call, as often as needed, and returns the device's flags.
func (p *Prepared) Run() (Flags, error) {
	copy(p.buf, p.call)
	if err := p.c.ioctl(p.cmd, p.buf); err != nil {
		return 0, err
	}
	return Flags(native.Uint32(p.buf[offFlags:])), nil
}
