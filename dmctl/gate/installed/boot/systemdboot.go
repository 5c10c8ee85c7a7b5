package boot

// systemd-boot: loader.conf, entries of the Boot Loader Specification, and the
// choices that it keeps in EFI variables.

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// espDirectories are the mount points of the EFI system partition and its
// extension.
var espDirectories = []string{"boot", "efi", "boot/efi"}

// efiVariables is where the kernel shows EFI variables. The identifier is that
// of the boot loader interface (systemd.io/BOOT_LOADER_INTERFACE).
const efiVariables = "sys/firmware/efi/efivars/%s-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

// systemdBootChoice returns the kernel of the entry that systemd-boot would
// boot. Its configuration and its entries can be on different partitions. GRUB
// reads the same entries, so entries alone show systemd-boot only if there is
// no GRUB.
func (t *system) systemdBootChoice() (choice, bool) {
	var entries []entry
	var config, images string
	configured := false
	for _, dir := range espDirectories {
		for _, e := range t.specEntries(dir + "/loader/entries") {
			if !slices.ContainsFunc(entries, func(other entry) bool { return other.id == e.id }) {
				entries = append(entries, e)
			}
		}
		if text, err := t.Read(dir + "/loader/loader.conf"); err == nil && !configured {
			config, configured = text, true
		}
		if images == "" && t.hasImages(dir+"/EFI/Linux") {
			images = dir + "/EFI/Linux"
		}
	}
	if len(entries) == 0 && images == "" || !configured && slices.ContainsFunc(grubDirectories, t.Exists) {
		return choice{}, false
	}
	if pattern := t.efiVariable("LoaderEntryPreferred") + lastValue(config, "preferred"); pattern != "" {
		return untoldf("systemd-boot prefers the entry %q, which is not understood here", pattern), true
	}
	slices.SortStableFunc(entries, bySpecification)
	e, why, ok := t.pickSpecEntry(entries, lastValue(config, "default"))
	switch {
	case !ok:
		return untoldf("%s", why), true
	case e.id == "" && images != "":
		return untoldf("systemd-boot's first entry cannot be told: it may be one of the images in /%s", images), true
	case e.id == "":
		e, why = entries[0], "systemd-boot's first entry"
	}
	return t.choiceOf(e, fmt.Sprintf("%s is the entry %q in /%s", why, e.id, path.Dir(e.dir))), true
}

// hasImages reports whether there are unified kernel images, which are entries
// themselves.
func (t *system) hasImages(dir string) bool {
	files, _ := t.List(dir)
	return slices.ContainsFunc(files, func(f fs.DirEntry) bool {
		return strings.EqualFold(path.Ext(f.Name()), ".efi")
	})
}

// countedName removes the counters of boot attempts from an entry's identifier:
// "+LEFT" or "+LEFT-DONE". An entry with no attempts left is bad: none of its
// boots succeeded (systemd, "Automatic Boot Assessment").
func countedName(id string) (name string, bad bool) {
	name, counters, counted := strings.Cut(id, "+")
	left, _, _ := strings.Cut(counters, "-")
	return name, counted && left != "" && strings.Trim(left, "0") == ""
}

// bySpecification sorts entries as in the menu: bad ones last; before them,
// entries with a sort key come first, by key; then the newest first.
func bySpecification(a, b entry) int {
	nameA, badA := countedName(a.id)
	nameB, badB := countedName(b.id)
	if badA != badB {
		if badA {
			return 1
		}
		return -1
	}
	if (a.sortKey == "") != (b.sortKey == "") {
		if a.sortKey == "" {
			return 1
		}
		return -1
	}
	if order := strings.Compare(a.sortKey, b.sortKey); order != 0 {
		return order
	}
	if a.sortKey != "" {
		if order := gate.CompareReleases(b.version, a.version); order != 0 {
			return order
		}
	}
	return gate.CompareReleases(nameB, nameA)
}

// automatic begins the identifiers of the entries that systemd-boot adds for
// what it finds: other systems, the settings of the firmware.
const automatic = "auto-"

// pickSpecEntry returns the entry of the one-time choice, of the default set in
// the menu, or of the pattern in loader.conf. If none of them is set, it
// returns no entry, which means the first of the menu. If the entry is not
// known, it is not ok and says why.
func (t *system) pickSpecEntry(entries []entry, pattern string) (e entry, why string, ok bool) {
	for _, try := range []struct{ pattern, why string }{
		{t.efiVariable("LoaderEntryOneShot"), "systemd-boot's choice for the next boot only"},
		{t.efiVariable("LoaderEntryDefault"), "systemd-boot's default, set in its menu,"},
		{pattern, "systemd-boot's default"},
	} {
		if try.pattern == "@saved" {
			if !t.Exists(path.Dir(efiVariables)) {
				return entry{}, "systemd-boot boots the entry that it booted last, which cannot be told: the EFI variables are not here", false
			}
			try.pattern, try.why = t.efiVariable("LoaderEntryLastBooted"), "systemd-boot's entry that it booted last"
		}
		if try.pattern == "" {
			continue
		}
		for _, e := range entries {
			if matchesEntry(try.pattern, e.id) {
				return e, try.why, true
			}
		}
		if strings.HasSuffix(strings.ToLower(try.pattern), ".efi") {
			return entry{}, fmt.Sprintf("%s is the image %q, and it cannot be told which kernel is in it", try.why, try.pattern), false
		}
		if strings.HasPrefix(strings.ToLower(try.pattern), automatic) {
			return entry{}, fmt.Sprintf("%s is %q, and it cannot be told whether that is there", try.why, try.pattern), false
		}
	}
	return entry{}, "", true
}

// matchesEntry compares identifiers. Some versions of systemd include the
// suffix, and counters of boot attempts change.
func matchesEntry(pattern, id string) bool {
	name, _ := countedName(id)
	for _, name := range []string{id, id + ".conf", name, name + ".conf"} {
		if ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(name)); ok && err == nil {
			return true
		}
	}
	return false
}

// efiVariable reads a text from an EFI variable: UTF-16 after four bytes of
// attributes.
func (t *system) efiVariable(name string) string {
	value, err := t.Read(fmt.Sprintf(efiVariables, name))
	if err != nil || len(value) < 4 {
		return ""
	}
	var units []uint16
	for value = value[4:]; len(value) >= 2; value = value[2:] {
		units = append(units, uint16(value[0])|uint16(value[1])<<8)
	}
	return strings.TrimRight(string(utf16.Decode(units)), "\x00")
}
