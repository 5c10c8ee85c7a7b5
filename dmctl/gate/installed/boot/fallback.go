package boot

// Where no boot loader's configuration names a kernel.

import (
	"fmt"
	"slices"
	"strings"
)

// fallback goes by what a boot loader may have been set up from. A boot partition
// that is not mounted has the configuration that counts, so that nothing else
// tells then.
func (t *system) fallback() Next {
	if c, e, ok := t.grubSettings(); ok {
		return t.next(c, e)
	}
	if dir := t.unmounted(); dir != "" {
		return Next{Why: fmt.Sprintf("/etc/fstab has a partition for /%s, which is not mounted: what it holds decides", dir)}
	}
	if c, ok := t.linkChoice(); ok {
		return t.next(c, Inferred)
	}
	return Next{Release: t.releases[0], Evidence: Guessed, Why: "no boot loader's default could be read: the newest by version"}
}

// unmounted returns a place of boot partitions that /etc/fstab names and that is
// empty, "" for none.
func (t *system) unmounted() string {
	table, err := t.Read("etc/fstab")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		dir := strings.Trim(fields[1], "/")
		if slices.Contains(espDirectories, dir) && t.isEmpty(dir) {
			return dir
		}
	}
	return ""
}

// isEmpty reports whether there is nothing in a directory but places for other
// partitions. One that cannot be read is not known to be empty.
func (t *system) isEmpty(dir string) bool {
	entries, err := t.List(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if name := e.Name(); name != "efi" && name != "lost+found" || name == "efi" && !t.isEmpty(dir+"/efi") {
			return false
		}
	}
	return true
}

// linkChoice goes by the link that Debian and others keep to the kernel to boot.
// Where its target is not there its text tells.
func (t *system) linkChoice() (choice, bool) {
	for _, link := range []string{"vmlinuz", "boot/vmlinuz"} {
		text, err := t.ReadLink(link)
		if err != nil {
			continue
		}
		target, err := t.Resolve(link)
		if err != nil {
			target = text
		}
		if r := releaseInPath("/"+target, t.releases); r != "" {
			return choice{release: r, why: fmt.Sprintf("the link /%s points to it", link)}, true
		}
	}
	return choice{}, false
}
