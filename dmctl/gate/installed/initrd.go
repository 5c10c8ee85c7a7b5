package installed

// The initramfs of a kernel: a root file system on a snapshot is activated from
// there, by the module in it.

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/initramfs"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/kmod"
)

// judgeInitramfs judges the kernel's initramfs. A dm-snapshot in it counts as
// much as the one on disk: the worse of the two decides. alone means that
// there is none on disk.
func (t *system) judgeInitramfs(k *Kernel, named []string, alone bool) {
	for _, file := range t.initramfsOf(k.Release, named) {
		other, ok := t.readInitramfs(file, k.Release)
		if !ok {
			continue
		}
		if alone || gate.Worst(k.Verdict, other.Verdict) != k.Verdict {
			other.Running, other.Next = k.Running, k.Next
			*k = other
		}
		alone = false
	}
}

// initramfsOf returns the existing files of a kernel's initramfs: those that a
// boot loader names, those that the distributions' tools make, and unified kernel
// images.
func (t *system) initramfsOf(release string, named []string) (files []string) {
	names := []string{
		"boot/initrd.img-" + release, "boot/initramfs-" + release + ".img", "boot/initrd-" + release,
		"boot/initrd-" + release + ".img", "boot/initramfs-" + release, "boot/firmware/initrd.img-" + release,
	}
	for _, dir := range t.directoriesOf(release) {
		names = append(names, path.Join(dir, "initrd"), path.Join(dir, "initramfs.img"))
		if base, err := t.ReadAtMost(path.Join(dir, "pkgbase"), 256); err == nil { // of Arch Linux
			name := "boot/initramfs-" + strings.TrimSpace(base)
			names = append(names, name+".img", name+"-fallback.img")
		}
	}
	if _, flavor, ok := strings.Cut(release, "-0-"); ok { // of Alpine Linux
		names = append(names, "boot/initramfs-"+flavor)
	}
	if id, err := t.ReadAtMost("etc/machine-id", 256); err == nil { // of kernel-install
		for _, dir := range []string{"boot", "efi", "boot/efi"} {
			names = append(names, path.Join(dir, strings.TrimSpace(id), release, "initrd"), path.Join(dir, strings.TrimSpace(id), release, "linux-initrd"))
		}
	}
	names = append(names, t.unifiedImages(release)...)
	var seen []string
	for _, name := range append(slices.Clone(named), names...) {
		resolved, err := t.Resolve(name)
		if err == nil && t.IsDirectory(resolved) || !t.Exists(name) || slices.Contains(seen, resolved) {
			continue
		}
		if err == nil {
			seen = append(seen, resolved)
		}
		files = append(files, name)
	}
	return files
}

// maxSnapshotModules bounds how many modules in an initramfs are read.
const maxSnapshotModules = 16

// readInitramfs judges one initramfs; ok is false if it has no dm-snapshot for
// this kernel. An unreadable one may have any.
func (t *system) readInitramfs(file, release string) (k Kernel, ok bool) {
	k = Kernel{Release: release, File: file}
	f, err := t.Open(file)
	if err != nil {
		k.Rule = fmt.Sprintf("whether its initramfs has another snapshot target cannot be told: %v", err)
		return k, true
	}
	defer func() { _ = f.Close() }()
	modules, sum, err := t.initramfsModules(f, release)
	if err != nil {
		k.Rule = fmt.Sprintf("whether its initramfs has another snapshot target cannot be told: %s: %v", file, err)
		return k, true
	}
	for _, m := range modules {
		if !ok || gate.Worst(k.Verdict, m.Verdict) != k.Verdict {
			k, ok = m, true
		}
	}
	k.File, k.FileSHA256 = file, sum
	return k, ok
}

// initramfsModules judges the modules of this kernel in an initramfs, or in each of
// those in a unified kernel image, and returns the file's hash.
func (t *system) initramfsModules(f fs.File, release string) (found []Kernel, sum string, err error) {
	hash := sha256.New()
	whole := io.TeeReader(f, hash)
	archives := []io.Reader{whole}
	if isUnified(f) {
		sections, err := unifiedSections(f, ".initrd")
		if err != nil {
			return nil, "", err
		}
		archives = nil
		for _, s := range sections {
			archives = append(archives, s)
		}
	}
	for _, archive := range archives {
		modules := initramfsVisitor{system: t, release: release, found: make(map[string]Kernel)}
		if err := initramfs.Walk(archive, modules.visit); err != nil {
			return nil, "", err
		}
		found = slices.AppendSeq(found, maps.Values(modules.found))
	}
	_, err = io.Copy(io.Discard, whole)
	return found, hex.EncodeToString(hash.Sum(nil)), err
}

// initramfsVisitor collects the dm-snapshot modules in an initramfs by path: of
// several with one path, the last overwrites the others.
type initramfsVisitor struct {
	*system
	release string
	found   map[string]Kernel
}

func (m *initramfsVisitor) visit(f initramfs.File, content io.Reader) error {
	base := path.Base(f.Name)
	if !slices.ContainsFunc(moduleSuffixes, func(suffix string) bool { return base == snapshotModule+suffix }) || !m.isOurs(f.Name) {
		return nil
	}
	if len(m.found) >= maxSnapshotModules {
		return fmt.Errorf("more than %d modules dm-snapshot in it", maxSnapshotModules)
	}
	k := Kernel{Release: m.release}
	if f.Links > 1 && f.Size == 0 { // another name of the file has the content
		k.Rule = fmt.Sprintf("the version of the snapshot target in its initramfs cannot be told: %s is a link to another file there", f.Name)
		m.found[f.Name] = k
		return nil
	}
	module, err := kmod.ReadModule(content)
	if err == nil {
		err = m.fits(module, m.release)
	}
	if err != nil {
		k.Rule = fmt.Sprintf("the version of the snapshot target in its initramfs cannot be told: %s: %v", f.Name, err)
	} else {
		k.Version = module.Version
		k.Verdict, k.Rule = gate.Judge(module.Version)
		k.Rule += fmt.Sprintf(" (in its initramfs: %s)", f.Name)
	}
	m.found[f.Name] = k
	return nil
}

// isOurs reports whether a module is for this kernel: an initramfs may have the
// modules of several, each below its release.
func (m *initramfsVisitor) isOurs(name string) bool {
	_, rest, below := strings.Cut("/"+name, "/modules/")
	release, _, deeper := strings.Cut(rest, "/")
	return !below || !deeper || release == m.release || release == "kernel"
}
