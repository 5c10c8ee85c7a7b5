//go:build !linux

package blockdev

// Data finds the first range at or after off that may hold other bytes than
// zeroes, in bytes: here holes are not looked for.
func (d *File) Data(off int64) (start, end int64, err error) {
	return min(off, d.size), d.size, nil
}
