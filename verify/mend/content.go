package mend

import (
	"bytes"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// contentBytes is how much is read at once to compare content, in bytes: a chunk
// can have hundreds of MiB.
const contentBytes = 1 << 20

// allZero reports whether a part of a device has only zeroes.
func allZero(r blockdev.Device, at, length int64) (bool, error) {
	b := make([]byte, min(length, contentBytes))
	for done := int64(0); done < length; done += int64(len(b)) {
		b = b[:min(int64(len(b)), length-done)]
		if err := readFull(r, b, at+done); err != nil || !blockdev.IsZero(b) {
			return false, err
		}
	}
	return true, nil
}

// sameBytes reports whether two parts of a device hold the same.
func sameBytes(r blockdev.Device, one, other, length int64) (bool, error) {
	a := make([]byte, min(length, contentBytes))
	b := make([]byte, len(a))
	for done := int64(0); done < length; done += int64(len(a)) {
		a, b = a[:min(int64(len(a)), length-done)], b[:min(int64(len(b)), length-done)]
		if err := readFull(r, a, one+done); err != nil {
			return false, err
		}
		if err := readFull(r, b, other+done); err != nil || !bytes.Equal(a, b) {
			return false, err
		}
	}
	return true, nil
}
