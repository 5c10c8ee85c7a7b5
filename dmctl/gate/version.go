package gate

// Versions of device-mapper targets: parsing and order. There is no other
// parser and no other comparison in this module.

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is the version of a device-mapper target. The kernel keeps it as
// three unsigned ints (struct target_type in include/linux/device-mapper.h)
// and hands it out as three u32 (struct dm_target_versions in
// include/uapi/linux/dm-ioctl.h).
type Version struct {
	Major, Minor, Patch uint32
}

// Versions of the target "snapshot" that introduced something a caller must
// know about.
var (
	// StoreOverflow introduced the store type PO, persistent with overflow
	// (1.15.0, Linux 4.4).
	StoreOverflow = Version{1, 15, 0}
	// DiscardFeatures introduced the feature arguments discard_zeroes_cow and
	// discard_passdown_origin (1.16.0, Linux 5.3).
	DiscardFeatures = Version{1, 16, 0}
)

// ParseVersion reads a version as `dmsetup targets` ("v1.16.0") or a person
// ("1.16.0") writes it. White space around it is ignored. Anything else but
// three decimal numbers of at most 32 bits, without signs or leading zeros, is
// an error.
func ParseVersion(text string) (Version, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return Version{}, fmt.Errorf("target version is empty: want three numbers such as 1.16.0")
	}
	parts := strings.Split(strings.TrimPrefix(trimmed, "v"), ".")
	if len(parts) != 3 {
		return Version{}, versionError(text, "is not three numbers such as 1.16.0")
	}
	var numbers [3]uint32
	for i, part := range parts {
		n, fault := parseNumber(part)
		if fault != "" {
			return Version{}, versionError(text, fault)
		}
		numbers[i] = n
	}
	return Version{numbers[0], numbers[1], numbers[2]}, nil
}

// parseNumber returns what is wrong with a part of a version, or "".
func parseNumber(part string) (n uint32, fault string) {
	if part == "" {
		return 0, "has an empty number"
	}
	for _, c := range []byte(part) {
		if c < '0' || c > '9' {
			return 0, fmt.Sprintf("has %s where a decimal number belongs", excerpt(part))
		}
	}
	if part[0] == '0' && len(part) > 1 {
		return 0, fmt.Sprintf("has a leading zero in %s", excerpt(part))
	}
	wide, err := strconv.ParseUint(part, 10, 32)
	if err != nil {
		return 0, fmt.Sprintf("has the number %s, which does not fit into 32 bits", excerpt(part))
	}
	return uint32(wide), ""
}

func versionError(text, fault string) error {
	return fmt.Errorf("target version %s %s", excerpt(text), fault)
}

// excerpt quotes text for an error message, so that hostile input stays short
// and on one line.
func excerpt(text string) string {
	const most = 40
	if len(text) > most {
		return strconv.Quote(text[:most]) + "..."
	}
	return strconv.Quote(text)
}

// Compare returns -1, 0 or +1 if v is older than, equal to or newer than other.
func (v Version) Compare(other Version) int {
	return cmp.Or(
		cmp.Compare(v.Major, other.Major),
		cmp.Compare(v.Minor, other.Minor),
		cmp.Compare(v.Patch, other.Patch),
	)
}

// AtLeast reports whether v equals other or is newer.
func (v Version) AtLeast(other Version) bool { return v.Compare(other) >= 0 }

// maxNumber bounds the numbers in a target's version: in twenty years none
// exceeded 27. A larger one was read from the wrong place.
const maxNumber = 999

// Possible reports whether a target can have this version.
func (v Version) Possible() bool {
	return v.Major <= maxNumber && v.Minor <= maxNumber && v.Patch <= maxNumber
}

// String returns the version as "1.16.0".
func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}

// MarshalText makes a Version a JSON string.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Version) UnmarshalText(text []byte) (err error) {
	*v, err = ParseVersion(string(text))
	return err
}

// KnowsOverflow reports whether the snapshot target of this version has the
// store type PO.
func KnowsOverflow(snapshot Version) bool { return snapshot.AtLeast(StoreOverflow) }

// KnowsFeatures reports whether the snapshot target of this version accepts
// feature arguments.
func KnowsFeatures(snapshot Version) bool { return snapshot.AtLeast(DiscardFeatures) }
