// Package boot tells which of the installed kernels a machine boots next, and
// what that rests on. It knows where boot loaders keep their configuration and
// how they choose; it reads files below a root and nothing else. What it does not
// understand it says, and does not pass over.
//
// From the top down: boot, fallback, proxmox, unread, firmware, raspberry,
// zipl, extlinux, systemdboot, grub, entry, choice.
package boot

import (
	"slices"

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
