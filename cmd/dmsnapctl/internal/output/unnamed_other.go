//go:build !linux

package output

import (
	"errors"
	"os"
)

// openUnnamed fails: there are no files without a name here.
func openUnnamed(*os.Root, string, os.FileMode) (*os.File, error) {
	return nil, errors.ErrUnsupported
}

// giveName fails, like openUnnamed.
func giveName(*os.File, *os.Root, string) error { return errors.ErrUnsupported }
