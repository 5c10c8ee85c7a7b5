//go:build !linux

package sdnotify

import "errors"

func send(string, []byte) error { return errors.ErrUnsupported }
