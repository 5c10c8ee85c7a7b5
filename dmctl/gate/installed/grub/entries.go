// What a script adds to the menu: entries, and the files that they load.

package grub

import "strings"

// add adds entries to the innermost menu.
func (r *interpreter) add(entries ...Entry) {
	for i := range entries {
		entries[i].doubtful = entries[i].doubtful || r.doubts > 0
	}
	r.menu.Children = append(r.menu.Children, entries...)
}

// titleAndID reads the arguments of menuentry. Options may come anywhere.
func titleAndID(arguments []string) (title, id string) {
	titled := false
	for i := 0; i < len(arguments); i++ {
		option, value, joined := strings.Cut(arguments[i], "=")
		switch option {
		case "--unrestricted":
			continue
		case "--id", "--class", "--users", "--hotkey", "--source":
			if !joined && i+1 < len(arguments) {
				i++
				value = arguments[i]
			}
			if option == "--id" {
				id = value
			}
			continue
		}
		if !titled {
			title, titled = arguments[i], true
		}
	}
	return title, id
}

// load follows the commands of an entry that load a kernel: Linux, or the first
// module of a hypervisor.
func (r *interpreter) load(name string, arguments []string) {
	switch name {
	case "linux", "linux16", "linuxefi", "xen_linux":
	case "initrd", "initrd16", "initrdefi", "xen_initrd":
		r.menu.Initrds = append(r.menu.Initrds, arguments...)
		return
	case "module", "module2", "xen_module":
		if r.menu.File != "" {
			return
		}
	case "configfile", "source", ".", "eval", "normal", "legacy_configfile", "legacy_source":
		r.menu.Unread = true
		return
	default:
		return
	}
	for _, a := range arguments {
		if strings.HasPrefix(a, "--") {
			continue
		}
		if r.doubts > 0 && r.menu.File != "" && r.menu.File != a {
			a = unknownMark + "..." + unknownMark
		}
		r.menu.File = a
		return
	}
}
