//go:build !linux

package fuse

import "context"

// Mount is a directory with the files shown.
type Mount struct{}

// Show fails: there is no FUSE here.
func Show(string, File) (*Mount, error) { return nil, ErrUnsupported }

// ShowMany fails: there is no FUSE here.
func ShowMany(string) (*Mount, error) { return nil, ErrUnsupported }

// Add fails: there is no FUSE here.
func (*Mount) Add(File) (func(), error) { return nil, ErrUnsupported }

// Clear does nothing.
func Clear(string) error { return nil }

// Done is never closed.
func (*Mount) Done() <-chan struct{} { return nil }

// Close does nothing.
func (*Mount) Close() error { return nil }

// Serve fails: there is no FUSE here.
func Serve(context.Context, string, File, func()) error { return ErrUnsupported }
