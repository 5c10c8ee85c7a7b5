//go:build !linux

package blockdev

import "context"

// CacheRoom is 0: nothing is read into the page cache here.
func (d *File) CacheRoom() int64 { return 0 }

// Prefetch does nothing here.
func (d *File) Prefetch(context.Context, int64, int64) error { return nil }
