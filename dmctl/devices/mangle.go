package devices

// Names and UUIDs as the kernel's fixed arrays take them. Everything that
// goes into an ioctl is a Name or a UUID, so that nothing is ever cut off: a
// name that lost its end can be another device's.

import (
	"errors"
	"fmt"
	"strings"
)

// MaxName and MaxUUID are the longest name and UUID in bytes, as the kernel
// knows them, after mangling (include/uapi/linux/dm-ioctl.h: DM_NAME_LEN and
// DM_UUID_LEN, without the zero byte).
const (
	MaxName = 127
	MaxUUID = 128
)

// Name is a device's name as the kernel knows it. The zero value is no name.
type Name struct{ s string }

// UUID is a device's UUID as the kernel knows it. The zero value is none.
type UUID struct{ s string }

func (n Name) String() string { return n.s }
func (u UUID) String() string { return u.s }

// ErrName is wrapped by all errors about names and UUIDs.
var ErrName = errors.New("not a device-mapper name")

// newName validates and mangles a name that a user typed. Bytes that udev
// does not let through become \xNN, as LVM2 does it (libdm: mangle_string);
// a \xNN that is there already stays.
func newName(s string) (Name, error) {
	mangled, err := mangle(s, MaxName)
	if err != nil {
		return Name{}, err
	}
	switch {
	case mangled == "." || mangled == "..":
		return Name{}, fmt.Errorf("%q: %w: it names a directory", s, ErrName)
	case mangled == "control":
		return Name{}, fmt.Errorf("%q: %w: it names device mapper's own control node", s, ErrName)
	}
	return Name{mangled}, nil
}

// UUIDOf validates a UUID, which is never mangled here: ours are made of plain
// bytes.
func UUIDOf(s string) (UUID, error) {
	mangled, err := mangle(s, MaxUUID)
	if err == nil && mangled != s {
		err = fmt.Errorf("UUID %q: %w: it has bytes outside %s", s, ErrName, plainBytes)
	}
	return UUID{s}, err
}

// mangleUUID validates and mangles a UUID that a user typed, as dmsetup does
// with those that it is given.
func mangleUUID(s string) (UUID, error) {
	mangled, err := mangle(s, MaxUUID)
	if err != nil {
		return UUID{}, fmt.Errorf("UUID %w", err)
	}
	return UUID{mangled}, nil
}

func mangle(s string, limit int) (string, error) {
	if s == "" {
		return "", fmt.Errorf("%q: %w: it is empty", s, ErrName)
	}
	if strings.ContainsAny(s, "/\x00") {
		return "", fmt.Errorf("%q: %w: it has a slash or a zero byte", s, ErrName)
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case isPlain(s[i]), s[i] == '\\' && isHexEscape(s[i:]):
			b.WriteByte(s[i])
		default:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		}
		if b.Len() > limit {
			return "", fmt.Errorf("%.40q...: %w: it is longer than %d bytes", s, ErrName, limit)
		}
	}
	return b.String(), nil
}

const plainBytes = "[0-9A-Za-z#+-.:=@_]"

func isPlain(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' ||
		strings.IndexByte("#+-.:=@_", c) >= 0
}

// isHexEscape reports whether s starts with \xNN.
func isHexEscape(s string) bool {
	return len(s) >= 4 && s[1] == 'x' && isHex(s[2]) && isHex(s[3])
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// KernelName takes a name out of a kernel's answer. It goes back in as it
// came, byte by byte.
func KernelName(s string) Name { return Name{s} }

// KernelUUID is KernelName for UUIDs.
func KernelUUID(s string) UUID { return UUID{s} }
