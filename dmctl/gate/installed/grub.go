package installed

// GRUB: its menu (grub.cfg), its memory (grubenv), and where neither can be
// read the settings that the menu is made from (/etc/default/grub).

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var grubDirectories = []string{"boot/grub", "boot/grub2"}

// grubChoice returns the kernel of the entry that GRUB would boot.
func (t *Tree) grubChoice(releases []string) (choice, bool) {
	for _, dir := range grubDirectories {
		memory := grubMemory(t, dir)
		if config, err := t.read(dir + "/grub.cfg"); err == nil {
			menu := parseGrubMenu(config, func() []entry { return t.blscfg() })
			if e, why, ok := menu.choose(memory); ok {
				return choice{t.releaseOfEntry(e, releases), fmt.Sprintf("%s in /%s is the entry %q", why, dir, e.title)}, true
			}
		}
	}
	return t.grubSettings(releases)
}

// grubMemory reads grubenv: lines "name=value", and "#" to fill the block.
func grubMemory(t *Tree, dir string) map[string]string {
	text, err := t.read(dir + "/grubenv")
	if err != nil {
		return nil
	}
	memory := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "="); ok && name[:min(1, len(name))] != "#" {
			memory[name] = value
		}
	}
	return memory
}

// blscfg returns the entries that GRUB's command of that name adds to the
// menu: the newest first.
func (t *Tree) blscfg() []entry {
	entries := t.specEntries("boot/loader/entries")
	slices.SortStableFunc(entries, func(a, b entry) int { return CompareReleases(b.id, a.id) })
	return entries
}

// grubMenu is what of a grub.cfg decides which entry boots.
type grubMenu struct {
	entries []entry
	// fallback is the default where no one-time choice (next_entry) is made:
	// an entry's number, title or id, or a variable.
	fallback string
	oneTime  bool // the menu honours next_entry
}

// choose finds the entry that boots next, and says what chose it.
func (m grubMenu) choose(memory map[string]string) (e entry, why string, ok bool) {
	spec, why := m.fallback, "GRUB's default"
	switch {
	case m.oneTime && memory["next_entry"] != "":
		spec, why = memory["next_entry"], "GRUB's choice for the next boot only (next_entry)"
	case spec == "${saved_entry}":
		spec, why = memory["saved_entry"], "GRUB's saved default (saved_entry)"
	case strings.Contains(spec, "$"):
		return entry{}, "", false // a variable that is set elsewhere
	}
	if e, ok = findEntry(m.entries, spec); !ok {
		// GRUB boots the first entry where there is no default, or none such.
		e, ok = findEntry(m.entries, "0")
	}
	return e, why, ok
}

// findEntry follows a specification of GRUB's: number, title or id, with ">"
// between the levels of submenus.
func findEntry(entries []entry, spec string) (entry, bool) {
	for {
		part, rest, deeper := cutLevel(spec)
		e, ok := pickEntry(entries, part)
		if !ok {
			return entry{}, false
		}
		if !deeper {
			for len(e.children) > 0 { // a submenu alone stands for its first entry
				e = e.children[0]
			}
			return e, true
		}
		entries, spec = e.children, rest
	}
}

// cutLevel cuts a specification at its first ">"; ">>" is a ">" in a title.
func cutLevel(spec string) (part, rest string, deeper bool) {
	for i := 0; i < len(spec); i++ {
		if spec[i] != '>' {
			continue
		}
		if i+1 < len(spec) && spec[i+1] == '>' {
			i++
			continue
		}
		return strings.ReplaceAll(spec[:i], ">>", ">"), spec[i+1:], true
	}
	return strings.ReplaceAll(spec, ">>", ">"), "", false
}

func pickEntry(entries []entry, part string) (entry, bool) {
	if n, err := strconv.Atoi(part); err == nil && n >= 0 && n < len(entries) {
		return entries[n], true
	}
	for _, e := range entries {
		if part != "" && (e.id == part || e.title == part) {
			return e, true
		}
	}
	return entry{}, false
}

// grubSettings is for machines whose menu cannot be read, as it may hold
// passwords: the menu has the newest kernel first, and titles and ids of
// entries name the release.
func (t *Tree) grubSettings(releases []string) (choice, bool) {
	text, err := t.read("etc/default/grub")
	if err != nil {
		return choice{}, false
	}
	setting := ""
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "GRUB_DEFAULT="); ok {
			setting = strings.Trim(value, `"'`)
		}
	}
	why := "GRUB_DEFAULT in /etc/default/grub"
	if setting == "saved" {
		why = "GRUB's saved default (saved_entry)"
		for _, dir := range grubDirectories {
			if saved := grubMemory(t, dir)["saved_entry"]; saved != "" {
				setting = saved
			}
		}
	}
	switch setting {
	case "":
		return choice{}, false
	case "0", "saved":
		return choice{releases[0], why + " is the first entry, which is the newest kernel"}, true
	}
	if r := releaseIn(setting, releases); r != "" {
		return choice{r, fmt.Sprintf("%s is the entry %q", why, setting)}, true
	}
	return choice{}, false
}

// releaseIn returns the longest release that a title or id contains whole:
// "6.1.0-4-amd64" is not in "… 6.1.0-47-amd64".
func releaseIn(text string, releases []string) string {
	longest := ""
	for _, r := range releases {
		for from := 0; ; {
			i := strings.Index(text[from:], r)
			if i < 0 {
				break
			}
			i += from
			from = i + 1
			end := i + len(r)
			whole := (i == 0 || strings.ContainsRune(" -", rune(text[i-1]))) &&
				(end == len(text) || strings.ContainsRune(" -)>", rune(text[end])))
			if whole && len(r) > len(longest) {
				longest = r
			}
		}
	}
	return longest
}
