package boot

// Entries of boot menus, and the kernel that an entry boots.

import (
	"bytes"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/grub"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/kmod"
)

// entry is an entry of a boot menu.
type entry struct {
	title, id string
	// file is the kernel's image, by the name that the loader uses. version is
	// what the entry says about itself.
	file, version string
	sortKey, dir  string // dir has the file of the entry
	initrds       []string
	// unread marks an entry that loads something that is not followed here.
	unread bool
}

// releaseOfEntry returns the release that a menu entry boots, or "" if it is
// none of the releases. The name of the image decides. If it contains no
// release, what the entry says about itself counts.
func (t *system) releaseOfEntry(e entry) string {
	if r := t.releaseOf(e.file); r != "" {
		return r
	}
	if slices.Contains(t.releases, e.version) && !e.unread && t.releaseInImages(e.file) == "" {
		return e.version
	}
	return ""
}

// Bounds on the entries in one directory. A boot partition has about ten, of a
// few hundred bytes each.
const (
	maxEntries   = 1024
	maxEntryText = 64 << 10
)

// specDirectory has the entries for GRUB and zipl.
const specDirectory = "boot/loader/entries"

// blsEntries returns these entries, newest first.
func (t *system) blsEntries() []entry {
	entries := t.specEntries(specDirectory)
	slices.SortStableFunc(entries, func(a, b entry) int { return gate.CompareReleases(b.id, a.id) })
	return entries
}

// lastValue returns the value of the last line of a key.
func lastValue(text, key string) (value string) {
	for line := range strings.Lines(text) {
		if v := keyValues(line)[key]; v != "" {
			value = v
		}
	}
	return value
}

// specEntries reads the entries of the Boot Loader Specification (type 1) in a
// directory. They are files with lines "key value".
func (t *system) specEntries(dir string) []entry {
	files, err := t.List(dir)
	if err != nil {
		return nil
	}
	var entries []entry
	for _, f := range files {
		id, isEntry := strings.CutSuffix(f.Name(), ".conf")
		if !isEntry || len(entries) == maxEntries {
			continue
		}
		text, err := t.ReadAtMost(path.Join(dir, f.Name()), maxEntryText)
		if err != nil {
			continue
		}
		values := keyValues(text)
		entries = append(entries, entry{
			dir: dir, title: values["title"], id: id, file: values["linux"], version: values["version"], sortKey: values["sort-key"], initrds: strings.Fields(values["initrd"]),
			unread: values["linux"] == "" && (values["efi"] != "" || values["uki"] != "" || values["uki-url"] != ""),
		})
	}
	return entries
}

// keyValues reads lines "key value". If a key is repeated, its first line
// counts.
func keyValues(text string) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		if _, twice := values[key]; key != "" && key[0] != '#' && !twice {
			values[key] = strings.TrimSpace(value)
		}
	}
	return values
}

// choiceOf returns the choice of a menu entry; why ends with the name of the
// entry.
func (t *system) choiceOf(e entry, why string) choice {
	release := t.releaseOfEntry(e)
	switch {
	case release != "":
		return choice{release: release, why: why, initrds: e.initrds}
	case e.unread:
		return untoldf("%s, and it cannot be told what that loads", why)
	case !grub.IsKnown(e.file):
		return untoldf("%s, and it cannot be told what its %s is", why, grub.Shown(e.file))
	case e.file != "" && !slices.ContainsFunc(placesOf(e.file), t.Exists):
		return untoldf("%s, and its %s is not here", why, grub.WithoutDevice(e.file))
	case e.file != "" && t.releaseInImages(e.file) == "":
		return untoldf("%s, and it cannot be told which kernel %s is", why, grub.WithoutDevice(e.file))
	}
	return choice{why: why}
}

// releaseInImages returns the release in the image that a boot loader loads
// from file, or "" if the image has none or is missing.
func (t *system) releaseInImages(file string) string {
	for _, place := range placesOf(file) {
		if r := t.releaseInImage(place); r != "" {
			return r
		}
	}
	return ""
}

// releaseOf returns the release of the image that a boot loader loads from
// file, a path in the root, the boot or the EFI system partition. Most paths
// contain it. For others ("/vmlinuz-linux"), a link at that path or the image
// itself shows it.
func (t *system) releaseOf(file string) string {
	if r := releaseInPath(file, t.releases); r != "" || file == "" {
		return r
	}
	for _, place := range placesOf(file) {
		resolved, err := t.Resolve(place)
		if err != nil {
			continue
		}
		if r := releaseInPath("/"+resolved, t.releases); r != "" {
			return r
		}
		if r := t.releaseInImage(resolved); slices.Contains(t.releases, r) {
			return r
		}
	}
	return ""
}

// releaseInPath finds the release at the end of the file name
// ("/vmlinuz-6.1.0-47-amd64") or in a directory name
// ("/MACHINE-ID/6.1.0/linux", "/usr/lib/modules/6.1.0/vmlinuz").
func releaseInPath(file string, releases []string) string {
	dir, base := path.Split(file)
	if ext := path.Ext(base); strings.EqualFold(ext, ".efi") {
		base = strings.TrimSuffix(base, ext)
	}
	longest := ""
	for _, r := range releases {
		if strings.HasSuffix(base, "-"+r) && len(r) > len(longest) {
			longest = r
		}
	}
	if longest != "" {
		return longest
	}
	for part := range strings.SplitSeq(dir, "/") {
		if slices.Contains(releases, part) {
			return part
		}
	}
	return ""
}

// releaseInImage returns the release in a kernel's image, or "" if there is
// none. It is in the header of images for x86 (Documentation/arch/x86/boot.rst
// of the kernel: the field kernel_version, which counts from 0x200), or in the
// text that the kernel prints first.
func (t *system) releaseInImage(file string) string {
	const magic, field, base, longest = 0x202, 0x20e, 0x200, 256
	f, err := t.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	header := make([]byte, 1<<16+base+longest)
	n, _ := io.ReadFull(f, header)
	header = header[:n]
	if n >= field+2 && string(header[magic:magic+4]) == "HdrS" {
		at := base + int(header[field]) + int(header[field+1])<<8
		if at >= len(header) {
			return ""
		}
		text, _, _ := strings.Cut(string(header[at:min(len(header), at+longest)]), "\x00")
		release, _, _ := strings.Cut(text, " ")
		return release
	}
	return kmod.ImageRelease(io.MultiReader(bytes.NewReader(header), f))
}
