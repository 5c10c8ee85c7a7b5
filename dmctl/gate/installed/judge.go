package installed

// Judging one kernel: the place of its dm-snapshot, and its version.

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/kmod"
)

// judge reads the version that the kernel's target will have, from its files
// and its initramfs. initrds are the initramfs files that a boot loader names.
func (t *system) judge(release string, initrds []string) Kernel {
	k := Kernel{Release: release}
	builtIn, err := t.isBuiltIn(release)
	var found evidence
	if builtIn {
		k.BuiltIn = true
		found, err = t.readImages(release)
	} else if err == nil {
		found, err = t.readModule(release)
	}
	k.say(found, err)
	if !builtIn {
		t.judgeInitramfs(&k, initrds, errors.Is(err, errNoModule))
	}
	return k
}

// isBuiltIn looks for dm-snapshot in the index of built-in modules.
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

// readModule reads the version in the kernel's dm-snapshot module.
func (t *system) readModule(release string) (evidence, error) {
	file, err := t.findModule(release)
	if err != nil {
		return evidence{}, err
	}
	return t.readFile(file, func(r io.Reader) (gate.Version, error) {
		m, err := kmod.ReadModule(r)
		if err == nil {
			err = t.fits(m, release)
		}
		return m.Version, err
	})
}

// findModule returns the file that modprobe would load: the one named in the
// index modules.dep, which may be in updates/ or extra/. An index that is older
// than the module does not name it. Without an index, all of the kernel's
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
		return "", fmt.Errorf("%w: the kernel is built without it (CONFIG_DM_SNAPSHOT is not set)", errNoModule)
	}
	return "", errNoModule
}

var errNoModule = errors.New("there is no module dm-snapshot, and it is not listed as built in")

// unindexedModule returns the module in a kernel's directory that no index
// names: if there is an index, only one in the place of the kernel's own
// modules.
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

// readImages reads the version in the kernel's own image.
func (t *system) readImages(release string) (evidence, error) {
	failure := errors.New("it is built in, and the kernel's image was not found")
	for _, file := range imagesOf(release) {
		found, err := t.readFile(file, func(r io.Reader) (gate.Version, error) { return t.readImage(r, release) })
		if err == nil {
			return found, nil
		}
		if !tree.IsMissing(err) {
			failure = fmt.Errorf("it is built in, and: %w", err)
		}
	}
	return evidence{}, failure
}

// readImage reads one image at a time, since each takes about 200 MiB.
func (t *system) readImage(r io.Reader, release string) (gate.Version, error) {
	t.images.Lock()
	defer t.images.Unlock()
	v, err := t.image.Read(r)
	if is := t.image.Release(); err == nil && is != "" && is != release {
		err = fmt.Errorf("it is kernel %s", is)
	}
	return v, err
}

// readFile reads a version from a file, which read must consume to the end.
func (t *system) readFile(file string, read func(io.Reader) (gate.Version, error)) (evidence, error) {
	f, err := t.Open(file)
	if err != nil {
		return evidence{file: file}, err
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	v, err := read(io.TeeReader(f, hash))
	if err != nil {
		return evidence{file: file}, fmt.Errorf("%s: %w", file, err)
	}
	return evidence{v, file, hex.EncodeToString(hash.Sum(nil))}, nil
}
