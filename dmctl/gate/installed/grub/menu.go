package grub

// The menu: its entries, and the one that a default names.

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
)

// Entry is an entry of the menu.
type Entry struct {
	Title, ID string
	// File is the kernel's image, by GRUB's name for it; IsKnown reports
	// whether that name is known. Version is what the entry says about itself,
	// usually "".
	File, Version string
	// Initrds are the files of its initramfs, by GRUB's names for them.
	Initrds []string
	// Children are the entries of a submenu.
	Children []Entry
	// Unread is set if the entry loads something that is not followed here.
	Unread bool
	// doubtful marks an entry that may not be in the menu; nameless one whose
	// title or id is not known.
	doubtful, nameless bool
}

// Menu is the menu that a script made.
type Menu struct {
	dir string
	run *interpreter
}

// Run runs the script of a GRUB directory, below the root of t. memory is the
// content of grubenv, nil if it cannot be read. bls returns the entries that
// the command blscfg adds.
func Run(t *tree.Tree, dir, script string, memory map[string]string, bls func() []Entry) Menu {
	return Menu{dir, run(t, dir, script, memory, bls)}
}

// Dir returns the directory of the script, below the root.
func (m Menu) Dir() string { return m.dir }

// Empty reports whether the script made no entries.
func (m Menu) Empty() bool { return len(m.run.root.Children) == 0 }

// Choose returns the entry that boots next, and what chose it. It is not ok if
// there is no menu. The error says why the choice is not known.
func (m Menu) Choose() (e Entry, why string, ok bool, err error) { return m.run.choose() }

// errNotTold says why a default is not known.
type errNotTold string

func (e errNotTold) Error() string { return string(e) }

// choose finds the entry that boots next, and what chose it. It is not ok if
// there is no menu at all.
func (r *interpreter) choose() (e Entry, why string, ok bool, err error) {
	spec, _ := r.lookUp("default")
	switch {
	case r.lost != "":
		return e, "", true, errNotTold(fmt.Sprintf("it uses something that is not understood here (%s)", r.lost))
	case len(r.root.Children) == 0:
		return e, "", false, nil
	case !IsKnown(spec):
		return e, "", true, errNotTold(fmt.Sprintf("its default (%s) is decided at boot", Shown(spec)))
	}
	why = "GRUB's default"
	switch r.chosenBy {
	case "next_entry":
		why = "GRUB's choice for the next boot only (next_entry)"
	case "saved_entry":
		why = "GRUB's saved default (saved_entry)"
	}
	e, sure := findEntry(r.root.Children, spec)
	if !sure {
		return e, why, true, errNotTold(fmt.Sprintf("whether it has the entry %q is decided at boot", spec))
	}
	return e, why, true, nil
}

// findEntry follows GRUB's name for an entry in a menu that has entries: a
// number, title or id, with ">" between the levels of submenus. On each level,
// GRUB boots the first entry if no entry is named or the named one does not
// exist. It is not sure if entries that may not exist make a difference.
func findEntry(entries []Entry, spec string) (e Entry, sure bool) {
	for {
		part, rest := cutLevel(spec)
		e, found, sure := pickEntry(entries, part)
		if !found && sure {
			e, _, sure = pickEntry(entries, "0")
		}
		if !sure || len(e.Children) == 0 {
			return e, sure
		}
		if e.Unread { // there may be more entries
			return e, false
		}
		entries, spec = e.Children, rest
	}
}

// cutLevel cuts a name at its first ">"; ">>" stands for a ">" in a title.
func cutLevel(spec string) (part, rest string) {
	for i := 0; i < len(spec); i++ {
		if spec[i] != '>' {
			continue
		}
		if i+1 < len(spec) && spec[i+1] == '>' {
			i++
			continue
		}
		return strings.ReplaceAll(spec[:i], ">>", ">"), spec[i+1:]
	}
	return strings.ReplaceAll(spec, ">>", ">"), ""
}

func isDoubtful(e Entry) bool { return e.doubtful }

func isNameless(e Entry) bool { return e.nameless }

// pickEntry finds an entry of one level. Every entry that may exist shifts the
// numbers of the entries after it. A title or an id is unsure only if there is
// an entry whose own title or id is not known.

func pickEntry(entries []Entry, part string) (e Entry, found, sure bool) {
	if n, err := strconv.Atoi(part); err == nil {
		if n < 0 || n >= len(entries) {
			return Entry{}, false, !slices.ContainsFunc(entries, isDoubtful)
		}
		return entries[n], true, !slices.ContainsFunc(entries[:n+1], isDoubtful)
	}
	for _, e := range entries {
		if part != "" && (e.ID == part || e.Title == part) {
			return e, true, !e.doubtful
		}
	}
	return Entry{}, false, part == "" || !slices.ContainsFunc(entries, isNameless)
}
