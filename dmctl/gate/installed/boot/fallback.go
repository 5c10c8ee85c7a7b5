package boot

// The answer if no boot loader configuration names a kernel.

import (
	"fmt"
	"slices"
	"strings"
)

// fallback uses what a boot loader may have been configured from. If a boot
// partition is not mounted, it has the configuration that counts, so nothing
// else is evidence.
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

// unmounted returns a mount point of a boot partition that /etc/fstab names and
// that is empty, or "" if there is none.
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

// isEmpty reports whether a directory contains only mount points for other
// partitions. A directory that cannot be read is not known to be empty.
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

// linkChoice follows the link that Debian and others keep to the kernel to
// boot. If its target is missing, the text of the link counts.
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
