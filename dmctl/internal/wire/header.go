package wire

// struct dm_ioctl, the header of every request and every answer
// (include/uapi/linux/dm-ioctl.h).

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

const udevShift = 16

// Sizes of the arrays for names, with their zero bytes.
const (
	nameArray = devices.MaxName + 1
	uuidArray = devices.MaxUUID + 1
)

// Places of the header's fields.
const (
	offVersion     = 0
	offDataSize    = 12
	offDataStart   = 16
	offTargetCount = 20
	offOpenCount   = 24
	offFlags       = 28
	offEventNr     = 32
	offDev         = 40
	offName        = 48
	offUUID        = offName + nameArray
	headerSize     = 312
)

// maxAnswer bounds what a kernel may answer, in bytes.
const maxAnswer = 16 << 20

var native = binary.NativeEndian

// request is one ioctl's input.
type request struct {
	name    Name
	uuid    UUID
	dev     blockdev.DevNo
	flags   Flags
	eventNr uint32 // udev flags, or the event number to wait for
	targets uint32
	payload []byte
	answer  int // room for the answer's payload, in bytes
}

// encode writes a request to a buffer that also has room for the answer.
func (r request) encode() []byte {
	buf := make([]byte, headerSize+max(len(r.payload), r.answer))
	// Ask for the oldest version that has what we use; the kernel replaces it
	// by its own.
	native.PutUint32(buf[offVersion:], 4)
	native.PutUint32(buf[offDataSize:], uint32(len(buf)))
	native.PutUint32(buf[offDataStart:], headerSize)
	native.PutUint32(buf[offTargetCount:], r.targets)
	native.PutUint32(buf[offFlags:], uint32(r.flags))
	native.PutUint32(buf[offEventNr:], r.eventNr)
	native.PutUint64(buf[offDev:], encodeDev(r.dev))
	copy(buf[offName:offUUID], r.name.String())
	copy(buf[offUUID:headerSize], r.uuid.String())
	copy(buf[headerSize:], r.payload)
	return buf
}

// decode reads an answer: the header, and the payload that it points to.
func decode(buf []byte) (Info, []byte, error) {
	if len(buf) < headerSize {
		return Info{}, nil, fmt.Errorf("device mapper's answer has %d bytes, its header alone has %d", len(buf), headerSize)
	}
	info := Info{
		Name:      devices.KernelName(cString(buf[offName:offUUID])),
		UUID:      devices.KernelUUID(cString(buf[offUUID : offUUID+uuidArray])),
		Dev:       decodeDev(native.Uint64(buf[offDev:])),
		OpenCount: int32(native.Uint32(buf[offOpenCount:])),
		Targets:   native.Uint32(buf[offTargetCount:]),
		Flags:     Flags(native.Uint32(buf[offFlags:])),
		EventNr:   native.Uint32(buf[offEventNr:]),
		Kernel: gate.Version{
			Major: native.Uint32(buf[offVersion:]),
			Minor: native.Uint32(buf[offVersion+4:]),
			Patch: native.Uint32(buf[offVersion+8:]),
		},
	}
	start, size := native.Uint32(buf[offDataStart:]), native.Uint32(buf[offDataSize:])
	if size > uint32(len(buf)) {
		size = uint32(len(buf))
	}
	if start > size {
		return info, nil, nil
	}
	return info, buf[start:size], nil
}

// encodeDev is the kernel's huge_encode_dev, glibc's dev_t.
func encodeDev(n blockdev.DevNo) uint64 {
	return uint64(n.Minor&0xff) | uint64(n.Major&0xfff)<<8 | uint64(n.Minor&^0xff)<<12
}

func decodeDev(d uint64) blockdev.DevNo {
	return blockdev.DevNo{Major: uint32(d>>8) & 0xfff, Minor: uint32(d&0xff) | uint32(d>>12)&0xfff00}
}

// cString returns the text before the first zero byte.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
