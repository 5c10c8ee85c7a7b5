package installed

// Judging one kernel: where its dm-snapshot is, and which version it has.

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/kmod"
)

// directoriesOf returns where the modules of a kernel can be.
func (t *system) directoriesOf(release string) []string {
	dirs := make([]string, len(moduleDirectories))
	for i, dir := range moduleDirectories {
		dirs[i] = path.Join(dir, release)
	}
	return dirs
}

// snapshotModule is the file of the module that registers the target.
const snapshotModule = "dm-snapshot.ko"

// judge reads the version that the kernel's target will have.
func (t *system) judge(release string) Kernel {
	k := Kernel{Release: release}
	builtIn, err := t.isBuiltIn(release)
	if builtIn {
		k.BuiltIn = true
		k.Version, k.File, err = t.readImages(release)
	} else if err == nil {
		k.Version, k.File, err = t.readModule(release)
	}
	if err != nil {
		k.Rule = fmt.Sprintf("the version of its snapshot target cannot be told: %v", err)
		return k
	}
	k.Verdict, k.Rule = gate.Judge(k.Version)
	return k
}

// isBuiltIn looks dm-snapshot up in the index of built-in modules.
func (t *system) isBuiltIn(release string) (bool, error) {
	for _, dir := range t.directoriesOf(release) {
		index, err := t.Read(path.Join(dir, "modules.builtin"))
		switch {
		case err == nil && moduleLine(index, "\n", snapshotModule) != "":
			return true, nil
		case err != nil && !tree.IsMissing(err):
			return false, err
		}
	}
	return false, nil
}

// readModule reads the version out of the kernel's dm-snapshot module.
func (t *system) readModule(release string) (gate.Version, string, error) {
	file, err := t.findModule(release)
	if err != nil {
		return gate.Version{}, "", err
	}
	v, err := readVersion(t, file, func(r io.Reader) (gate.Version, error) {
		m, err := kmod.ReadModule(r)
		return m.Version, err
	})
	return v, file, err
}

// moduleSuffixes are what packing adds to the names of modules.
var moduleSuffixes = []string{"", ".xz", ".zst", ".gz"}

// findModule returns the file that modprobe would load: the one that the
// index modules.dep names, which may be in updates/ or extra/. An index that is
// older than the module does not name it; without one, all of the kernel's
// directory is searched.
func (t *system) findModule(release string) (string, error) {
	indexed := false
	for _, dir := range t.directoriesOf(release) {
		index, err := t.Read(path.Join(dir, "modules.dep"))
		if tree.IsMissing(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		indexed = true
		if file := moduleLine(index, ":", snapshotModule); path.IsAbs(file) {
			return file[1:], nil // as old versions of depmod write it
		} else if file != "" {
			return path.Join(dir, file), nil
		}
	}
	for _, dir := range t.directoriesOf(release) {
		file, err := t.unindexedModule(dir, indexed)
		if err != nil {
			return "", fmt.Errorf("no module dm-snapshot was found, and its place cannot be read: %w", err)
		}
		if file != "" {
			return file, nil
		}
	}
	if set, known := t.configured(release, "CONFIG_DM_SNAPSHOT"); known && !set {
		return "", errors.New("the kernel is built without it (CONFIG_DM_SNAPSHOT is not set)")
	}
	return "", errors.New("there is no module dm-snapshot, and it is not listed as built in")
}

// unindexedModule returns the module in a kernel's directory that no index
// names: where there is one, only in the place of the kernel's own.
func (t *system) unindexedModule(dir string, indexed bool) (string, error) {
	if !indexed {
		return t.searchModule(dir)
	}
	for _, suffix := range moduleSuffixes {
		if file := path.Join(dir, "kernel/drivers/md", snapshotModule+suffix); t.Exists(file) {
			return file, nil
		}
	}
	return "", nil
}

// moduleLine returns the path of a module (by its file's name, without what
// packing adds) in an index of modules: one line to a module, its path, and
// what follows the separator is of other modules.
func moduleLine(index, separator, name string) string {
	module := "/" + name
	for {
		i := strings.Index(index, module)
		if i < 0 {
			return ""
		}
		line, rest, _ := strings.Cut(index[strings.LastIndexByte(index[:i], '\n')+1:], "\n")
		if file, _, _ := strings.Cut(line, separator); strings.Contains(file, module) {
			return strings.TrimSpace(file)
		}
		index = rest
	}
}

// imagesOf returns where a kernel's image can be.
func imagesOf(release string) []string {
	var files []string
	for _, name := range []string{"vmlinuz", "vmlinux", "Image", "kernel", "bzImage"} {
		files = append(files, "boot/"+name+"-"+release)
	}
	for _, dir := range moduleDirectories {
		files = append(files, path.Join(dir, release, "vmlinuz"), path.Join(dir, release, "vmlinux"))
	}
	return files
}

// readImages reads the version out of the kernel's own image.
func (t *system) readImages(release string) (gate.Version, string, error) {
	failure := errors.New("it is built in, and the kernel's image was not found")
	for _, file := range imagesOf(release) {
		v, err := readVersion(t, file, t.readImage)
		if err == nil {
			return v, file, nil
		}
		if !tree.IsMissing(err) {
			failure = fmt.Errorf("it is built in, and: %w", err)
		}
	}
	return gate.Version{}, "", failure
}

// readImage reads one image at a time: each takes some 200 MiB.
func (t *system) readImage(r io.Reader) (gate.Version, error) {
	t.images.Lock()
	defer t.images.Unlock()
	return t.image.Read(r)
}

func readVersion(t *system, file string, read func(io.Reader) (gate.Version, error)) (gate.Version, error) {
	f, err := t.Open(file)
	if err != nil {
		return gate.Version{}, err
	}
	defer func() { _ = f.Close() }()
	v, err := read(f)
	if err != nil {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return v, err
}
