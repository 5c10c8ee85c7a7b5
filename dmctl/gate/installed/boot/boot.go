// Package boot tells which of the installed kernels a machine boots next, and
// what that rests on. It knows where boot loaders keep their configuration and
// how they choose; it reads files below a root and nothing else.
//
// From top to bottom: boot, the loaders (grub, systemdboot, link), entry.
package boot

import (
	"strings"
	"unicode"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
)

// system is the files of the machine.
type system struct{ *tree.Tree }

// Next returns the release that boots next, out of releases (newest first), and
// in one sentence how that was told. The release is "" where the boot loader's
// choice is none of them, or is not known.
func Next(files *tree.Tree, releases []string) (release, why string) {
	t := &system{files}
	for _, loader := range []func([]string) (choice, bool){t.grubChoice, t.systemdBootChoice, t.grubSettings, t.linkChoice} {
		c, ok := loader(releases)
		if !ok {
			continue
		}
		if c.release == "" && !c.untold {
			c.why += ", which is none of the installed kernels"
		}
		return c.release, printable(c.why)
	}
	return releases[0], "no boot loader's default could be read: the newest by version"
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

// choice is a boot loader's: "" for a release that is not installed, or where
// its configuration was read and does not tell.
type choice struct {
	release, why string
	untold       bool
}
