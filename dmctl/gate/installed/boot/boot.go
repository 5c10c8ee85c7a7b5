// Package boot tells which of the installed kernels a machine boots next, and
// what that rests on. It knows where boot loaders keep their configuration and
// how they choose; it reads files below a root and nothing else. What it does not
// understand it says, and does not pass over.
//
// From top to bottom: boot, firmware, the loaders (grub, systemdboot, extlinux,
// zipl, raspberry, proxmox, unread), fallback, entry.
package boot

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
)

// Evidence is what an answer rests on.
type Evidence string

const (
	// None: there is no answer.
	None Evidence = ""
	// Configured: a boot loader's configuration names the kernel.
	Configured Evidence = "configured"
	// Inferred: a link does, or a package manager's default.
	Inferred Evidence = "inferred"
	// Guessed: nothing does.
	Guessed Evidence = "guessed"
)

// Next is the kernel that boots next.
type Next struct {
	// Release is "" where the choice is none of the installed kernels, or is not
	// known.
	Release  string
	Evidence Evidence
	// Why says in one sentence how that was told, or why not.
	Why string
	// Initrds are the files of its initramfs below the root, as far as the boot
	// loader's configuration names them.
	Initrds []string
}

// system is the files of the machine.
type system struct {
	*tree.Tree
	releases []string // newest first
}

// loader is a boot loader of which files tell.
type loader struct {
	name string
	// find returns the loader's choice; not ok where it is not there.
	find func() (choice, bool)
}

// Find tells which of the releases (newest first, at least one) boots next.
func Find(files *tree.Tree, releases []string) Next {
	t := &system{files, releases}
	loaders := []loader{
		{nameGRUB, t.grubChoice}, {nameSystemdBoot, t.systemdBootChoice}, {"extlinux", t.extlinuxChoice},
		{"zipl", t.ziplChoice}, {"the firmware of the Raspberry Pi", t.raspberryChoice}, {"Proxmox' pin", t.proxmoxChoice},
	}
	for _, u := range unreadLoaders {
		loaders = append(loaders, loader{u.name, func() (choice, bool) { return t.unreadChoice(u) }})
	}
	if c, only, ok := t.firmwareChoice(); ok {
		return t.next(c, Configured)
	} else if only != "" {
		loaders = slices.DeleteFunc(loaders, func(l loader) bool { return l.name != only })
	}
	var found []choice
	for _, l := range loaders {
		if c, ok := l.find(); ok {
			c.loader = l.name
			found = append(found, c)
		}
	}
	if c, ok := agreed(found); ok {
		return t.next(c, Configured)
	}
	return t.fallback()
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
