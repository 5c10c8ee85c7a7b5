package boot

// extlinux, syslinux, and U-Boot with the same configuration: labels with one
// kernel each, and the label that boots if nobody presses a key
// (syslinux.cfg(5); U-Boot, doc/README.pxe).

import (
	"fmt"
	"path"
	"strings"
)

// extlinuxFiles is where the configuration may be, below the root and below the
// mount points of boot partitions.
var extlinuxFiles = []string{
	"extlinux/extlinux.conf", "extlinux.conf", "syslinux/extlinux.conf", "syslinux/syslinux.cfg", "syslinux.cfg",
	"EFI/syslinux/syslinux.cfg", "EFI/BOOT/syslinux.cfg", "isolinux/isolinux.cfg",
}

func (t *system) extlinuxChoice() (choice, bool) {
	var found []choice
	seen := make(map[string]bool)
	for _, dir := range []string{".", "boot", "efi", "boot/efi", "boot/firmware"} {
		for _, name := range extlinuxFiles {
			file, err := t.Resolve(path.Join(dir, name))
			if err != nil || seen[file] {
				continue
			}
			seen[file] = true
			found = append(found, t.extlinuxMenu(file))
		}
	}
	return agreed(found)
}

// extlinuxMenu returns the choice of one configuration file.
func (t *system) extlinuxMenu(file string) choice {
	m := extlinuxMenu{system: t, dir: path.Dir(file), labels: make(map[string]*entry)}
	if err := m.read(file, 0); err != nil {
		return untoldf("what /%s boots cannot be told: %v", file, err)
	}
	e, why, err := m.choose()
	if err != nil {
		return untoldf("what /%s boots cannot be told: %v", file, err)
	}
	return t.choiceOf(e, fmt.Sprintf("the %s in /%s is %q", why, file, e.title))
}

// extlinuxMenu is a configuration being read.
type extlinuxMenu struct {
	*system
	dir                                 string
	labels                              map[string]*entry
	first, current                      *entry
	byDefault, onTimeout, marked, shown string
	files                               int
}

// Bounds on what a configuration includes.
const (
	maxIncludes     = 64
	maxIncludeDepth = 16
)

func (m *extlinuxMenu) read(file string, depth int) error {
	if m.files++; m.files > maxIncludes || depth > maxIncludeDepth {
		return fmt.Errorf("it includes more than %d files", maxIncludes)
	}
	text, err := m.ReadAtMost(file, maxEntryText)
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		key, value := cutKey(line)
		if key == "menu" {
			sub, rest := cutKey(value)
			key, value = "menu "+sub, rest
		}
		if err := m.line(key, value, depth); err != nil {
			return err
		}
	}
	return nil
}

// cutKey splits a line into its first word, in lower case, and the rest.
func cutKey(line string) (key, value string) {
	line = strings.TrimSpace(strings.ReplaceAll(line, "\t", " "))
	key, value, _ = strings.Cut(line, " ")
	return strings.ToLower(key), strings.TrimSpace(value)
}

func (m *extlinuxMenu) line(key, value string, depth int) error {
	switch key {
	case "include", "menu include":
		name, _, _ := strings.Cut(value, " ")
		return m.read(m.place(name), depth+1)
	case "default":
		m.byDefault = value
	case "ontimeout":
		m.onTimeout = value
	case "ui":
		m.shown = value
	case "label":
		m.current = &entry{title: value}
		if m.first == nil {
			m.first = m.current
		}
		if _, twice := m.labels[value]; !twice && len(m.labels) < maxEntries {
			m.labels[value] = m.current
		}
	case "config":
		if m.current == nil {
			return fmt.Errorf("it continues in %s", value)
		}
	}
	if m.current != nil {
		m.inLabel(key, value)
	}
	return nil
}

// inLabel reads the lines of one label.
func (m *extlinuxMenu) inLabel(key, value string) {
	switch key {
	case "kernel", "linux":
		name, _, _ := strings.Cut(value, " ")
		m.current.file = m.kernel(name)
	case "fit", "com32", "config", "localboot", "boot", "bss", "pxe", "fdimage", "comboot":
		m.current.unread = true
	case "initrd":
		for name := range strings.SplitSeq(value, ",") {
			m.current.initrds = append(m.current.initrds, m.kernel(name))
		}
	case "append":
		for word := range strings.FieldsSeq(value) {
			if names, ok := strings.CutPrefix(word, "initrd="); ok {
				m.inLabel("initrd", names)
			}
		}
	case "menu default":
		m.marked = m.current.title
	}
}

// place returns the path of a file that is named relative to the directory of
// the configuration.
func (m *extlinuxMenu) place(name string) string {
	if path.IsAbs(name) {
		for _, p := range placesOf(name) {
			if m.Exists(p) {
				return p
			}
		}
	}
	return path.Join(m.dir, name)
}

// kernel returns the name of a file in the form of entries, with a leading
// slash.
func (m *extlinuxMenu) kernel(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return "/" + path.Join(m.dir, name)
}

// choose finds what boots if nobody presses a key: the label of ONTIMEOUT, of
// MENU DEFAULT in a menu, or of DEFAULT. A menu without any of them boots its
// first label. A value that is not a label is a command line.
func (m *extlinuxMenu) choose() (e entry, why string, err error) {
	name, why := m.byDefault, "default"
	isMenu := m.shown != "" || strings.HasSuffix(firstWord(name), ".c32")
	switch {
	case m.onTimeout != "":
		name, why = m.onTimeout, "label that boots on timeout"
	case m.marked != "" && (isMenu || name == ""):
		name, why = m.marked, "default of the menu"
	case m.marked != "" && m.marked != name:
		return e, "", fmt.Errorf("it has the two defaults %q and %q", name, m.marked)
	case (isMenu && strings.HasSuffix(firstWord(name), ".c32") || name == "") && m.first != nil:
		name, why = m.first.title, "first label"
	}
	if found := m.labels[name]; found != nil {
		return *found, why, nil
	}
	for label, found := range m.labels {
		if strings.EqualFold(label, name) {
			return *found, why, nil
		}
	}
	if file := firstWord(name); file != "" && !strings.HasSuffix(file, ".c32") && m.Exists(m.place(file)) {
		return entry{title: name, file: m.kernel(file)}, why, nil
	}
	return e, "", fmt.Errorf("there is no label %q", name)
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}
