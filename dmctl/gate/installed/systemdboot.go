package installed

// systemd-boot: loader.conf, entries by the Boot Loader Specification, and
// the choices that it keeps in EFI variables.

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf16"
)

// espDirectories is where the EFI system partition or its extension is
// mounted.
var espDirectories = []string{"boot", "efi", "boot/efi"}

// efiVariables is where the kernel shows them; the identifier is that of the
// boot loader interface (systemd.io/BOOT_LOADER_INTERFACE).
const efiVariables = "sys/firmware/efi/efivars/%s-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

// systemdBootChoice returns the kernel of the entry that systemd-boot would
// boot.
func (t *Tree) systemdBootChoice(releases []string) (choice, bool) {
	for _, dir := range espDirectories {
		config, err := t.read(dir + "/loader/loader.conf")
		if err != nil {
			continue
		}
		entries := t.specEntries(dir + "/loader/entries")
		if len(entries) == 0 {
			continue
		}
		slices.SortStableFunc(entries, bySpecification)
		e, why := t.pickSpecEntry(entries, keyValues(config)["default"])
		return choice{t.releaseOfEntry(e, releases), fmt.Sprintf("%s is the entry %q in /%s/loader", why, e.id, dir)}, true
	}
	return choice{}, false
}

// bySpecification sorts entries as the menu shows them: those with a sort key
// first, by it, and then the newest first.
func bySpecification(a, b entry) int {
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
		if order := CompareReleases(b.version, a.version); order != 0 {
			return order
		}
	}
	return CompareReleases(b.id, a.id)
}

// pickSpecEntry returns the entry of the one-time choice, the default that was
// chosen in the menu, the pattern of loader.conf, or else the first.
func (t *Tree) pickSpecEntry(entries []entry, pattern string) (entry, string) {
	for _, try := range []struct{ pattern, why string }{
		{t.efiVariable("LoaderEntryOneShot"), "systemd-boot's choice for the next boot only"},
		{t.efiVariable("LoaderEntryDefault"), "systemd-boot's default, set in its menu,"},
		{pattern, "systemd-boot's default"},
	} {
		for _, e := range entries {
			// Identifiers have carried the suffix in some versions of
			// systemd, and counters of boot attempts ("+3-1") come and go.
			id, _, _ := strings.Cut(e.id, "+")
			for _, name := range []string{e.id, e.id + ".conf", id, id + ".conf"} {
				if ok, err := path.Match(strings.ToLower(try.pattern), strings.ToLower(name)); ok && err == nil && try.pattern != "" {
					return e, try.why
				}
			}
		}
	}
	return entries[0], "systemd-boot's first entry"
}

// efiVariable reads a text out of an EFI variable: UTF-16, behind four bytes
// of attributes.
func (t *Tree) efiVariable(name string) string {
	value, err := t.read(fmt.Sprintf(efiVariables, name))
	if err != nil || len(value) < 4 {
		return ""
	}
	var units []uint16
	for value = value[4:]; len(value) >= 2; value = value[2:] {
		units = append(units, uint16(value[0])|uint16(value[1])<<8)
	}
	return strings.TrimRight(string(utf16.Decode(units)), "\x00")
}
