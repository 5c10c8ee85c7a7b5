// What a boot loader chose, and what that makes of the answer.

package boot

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/grub"
)

// choice is a boot loader's.
type choice struct {
	loader string
	// release is "" for one that is not installed, or where the choice is untold:
	// the configuration was read and does not tell.
	release, why string
	untold       bool
	initrds      []string // as the loader names them
}

func untoldf(format string, args ...any) choice {
	return choice{untold: true, why: fmt.Sprintf(format, args...)}
}

// agreed is what all of the loaders that are there say; not ok for none.
func agreed(found []choice) (c choice, ok bool) {
	if len(found) == 0 {
		return choice{}, false
	}
	c = found[0]
	for _, other := range found[1:] {
		if c.untold || other.untold || c.release != other.release {
			return choice{untold: true, why: fmt.Sprintf(
				"it cannot be told which boot loader is in use, and they disagree: %s; %s", c.why, other.why)}, true
		}
		c.initrds = append(c.initrds, other.initrds...)
	}
	return c, true
}

// next is a choice as the answer.
func (t *system) next(c choice, e Evidence) Next {
	switch {
	case c.untold:
		return Next{Why: printable(c.why)}
	case c.release == "":
		c.why += ", which is none of the installed kernels"
	}
	n := Next{Release: c.release, Evidence: e, Why: printable(c.why)}
	for _, file := range c.initrds {
		if i := slices.IndexFunc(placesOf(file), t.Exists); i >= 0 {
			n.Initrds = append(n.Initrds, placesOf(file)[i])
		}
	}
	return n
}

// printable replaces what a terminal might obey: names come from the files.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return unicode.ReplacementChar
		}
		return c
	}, text)
}

// placesOf returns where in the tree a boot loader's file may be: its paths are
// from the top of a partition. On btrfs, the root may be a subvolume there
// ("/@/boot/vmlinuz-linux"); one further down may be an old state of it, whose
// kernels are others.
func placesOf(file string) (places []string) {
	file = grub.WithoutDevice(file)
	for _, dir := range []string{"boot", ".", "efi", "boot/efi"} {
		places = append(places, path.Join(dir, file))
	}
	subvolume, rest, _ := strings.Cut(strings.TrimPrefix(path.Clean(file), "/"), "/")
	if subvolume != "" && strings.HasPrefix(rest, "boot/") {
		places = append(places, rest)
	}
	return places
}
