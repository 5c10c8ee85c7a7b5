//go:build !linux

package fuse

import "context"

// Mount is a file that is shown.
type Mount struct{}

// Show fails: there is no FUSE here.
func Show(string, File) (*Mount, error) { return nil, ErrUnsupported }

// Done is never closed.
func (*Mount) Done() <-chan struct{} { return nil }

// Close has nothing to end.
func (*Mount) Close() error { return nil }

// Serve fails: there is no FUSE here.
func Serve(context.Context, string, File, func()) error { return ErrUnsupported }
