package boot

// zipl of s390: sections with one kernel each, and the one that boots by
// default (zipl.conf(5)).

import (
	"fmt"
	"strings"
)

var ziplFiles = []string{"run/zipl/zipl.conf", "etc/zipl.conf", "lib/s390-tools/zipl.conf", "usr/lib/s390-tools/zipl.conf"}

// ziplSection has the lines "key=value" of a section.
type ziplSection struct {
	name   string
	values map[string]string
}

func (t *system) ziplChoice() (choice, bool) {
	for _, file := range ziplFiles {
		text, err := t.ReadAtMost(file, maxEntryText)
		switch {
		case err == nil:
			return t.ziplMenu(file, ziplSections(text)), true
		case t.Exists(file):
			return untoldf("what /%s boots cannot be told: %v", file, err), true
		}
	}
	return choice{}, false
}

func ziplSections(text string) (sections []ziplSection) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[' || line[0] == ':':
			sections = append(sections, ziplSection{strings.Trim(line, "[] "), make(map[string]string)})
		case len(sections) > 0:
			key, value, _ := strings.Cut(line, "=")
			sections[len(sections)-1].values[strings.TrimSpace(key)] = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return sections
}

func ziplSectionOf(sections []ziplSection, name string) (ziplSection, bool) {
	for _, s := range sections {
		if s.name == name {
			return s, true
		}
	}
	return ziplSection{}, false
}

// ziplMenu follows the default section to the one that boots, by its name or by
// a number in a menu. A menu that zipl makes itself starts with the first
// section. It has the entries of the Boot Loader Specification, if there are
// any.
func (t *system) ziplMenu(file string, sections []ziplSection) choice {
	start, _ := ziplSectionOf(sections, "defaultboot")
	name := start.values["default"]
	if menu := start.values["defaultmenu"]; menu != "" {
		s, ok := ziplSectionOf(sections, ":"+menu)
		number := s.values["default"]
		if number == "" {
			number = "1"
		}
		if name = s.values[number]; !ok || name == "" {
			return untoldf("/%s has no entry %s in its menu %q", file, number, menu)
		}
	}
	if len(t.specEntries(specDirectory)) > 0 {
		return t.ziplSpecEntry(file, name)
	}
	if name == "" {
		for _, s := range sections {
			if s.values["image"] != "" {
				name = s.name
				break
			}
		}
	}
	s, ok := ziplSectionOf(sections, name)
	if image := firstPart(s.values["image"]); ok && image != "" {
		e := entry{title: name, file: image, initrds: []string{firstPart(s.values["ramdisk"])}}
		return t.choiceOf(e, fmt.Sprintf("the default of /%s is %q", file, name))
	}
	return untoldf("/%s has the default %q, and no kernel's image for it", file, name)
}

// ziplSpecEntry returns the entry of the Boot Loader Specification that boots:
// the one with the title in default or, without default, the newest.
func (t *system) ziplSpecEntry(file, name string) choice {
	for _, e := range t.blsEntries() {
		if name == "" || e.title == name || e.id == name {
			return t.choiceOf(e, fmt.Sprintf("the default of /%s is the entry %q", file, e.title))
		}
	}
	return untoldf("/%s has the default %q, and there is no such entry", file, name)
}

// firstPart removes the load address from a file name.
func firstPart(file string) string {
	name, _, _ := strings.Cut(file, ",")
	return name
}
