// Package boot finds out which installed kernel a machine boots next, and on
// what evidence. It knows where boot loaders keep their configuration and how
// they choose. It reads only files below a root. What it does not understand it
// reports; it never skips it.
package boot

// From the top down: boot, kexec, fallback, proxmox, unread, firmware, raspberry,
// zipl, extlinux, systemdboot, grub, entry, choice.

import (
	"slices"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
)

// Evidence is what an answer is based on.
type Evidence string

const (
	// None means that there is no answer.
	None Evidence = ""
	// Configured means that a boot loader's configuration names the kernel.
	Configured Evidence = "configured"
	// Inferred means that a link or a package manager's default names it.
	Inferred Evidence = "inferred"
	// Guessed means that nothing names it.
	Guessed Evidence = "guessed"
)

// Next is the kernel that boots next.
type Next struct {
	// Release is "" if the choice is not an installed kernel or is not known.
	Release  string
	Evidence Evidence
	// Why says in one sentence how the kernel was found, or why not.
	Why string
	// Initrds are the files of its initramfs below the root, if the boot
	// loader's configuration names them.
	Initrds []string
}

// system is the files of the machine.
type system struct {
	*tree.Tree
	releases []string // newest first
}

// loader is a boot loader that can be found by its files.
type loader struct {
	name string
	// find returns the loader's choice; ok is false if the loader is not there.
	find func() (choice, bool)
}

// Find finds out which of the releases (newest first, at least one) boots next.
func Find(files *tree.Tree, releases []string) Next {
	t := &system{files, releases}
	return t.reboot(t.coldStart())
}

// coldStart returns the kernel that boots when the machine is switched on.
func (t *system) coldStart() Next {
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
