// What a boot loader chose, and what all loaders agree on. If they disagree,
// none counts, unless the firmware names one (boot.go).

package boot

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/grub"
)

// choice is the choice of a boot loader.
type choice struct {
	loader string
	// release is "" if the kernel is not installed, or if the choice is untold:
	// the configuration was read but does not tell.
	release, why string
	untold       bool
	initrds      []string // the names that the loader uses
}

func untoldf(format string, args ...any) choice {
	return choice{untold: true, why: fmt.Sprintf(format, args...)}
}

// agreed returns what all present loaders agree on. It is not ok if there is
// none.
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

// next turns a choice into the answer.
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

// printable replaces what could control a terminal: names come from the files.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return unicode.ReplacementChar
		}
		return c
	}, text)
}

// placesOf returns where in the tree a file of a boot loader may be. The
// loader's paths start at the top of a partition. On btrfs the root may be a
// subvolume there ("/@/boot/vmlinuz-linux"). A deeper subvolume may be an old
// state of the root, with other kernels.
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
