//go:build !linux

package blockdev

// Data returns the first range [start, end), in bytes, at or after off that may
// hold nonzero bytes. It does not look for holes here.
func (d *File) Data(off int64) (start, end int64, err error) {
	return min(off, d.size), d.size, nil
}
