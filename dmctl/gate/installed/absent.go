package installed

// Why a running kernel has no device mapper.

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
)

// ErrNotLoaded is why a kernel has no device mapper that could load it.
var ErrNotLoaded = errors.New("the module dm-mod is installed and not loaded")

// WhyNoDeviceMapper explains, from the files of a running kernel without device
// mapper, why it has none.
func WhyNoDeviceMapper(files *tree.Tree, running string) error {
	t := &system{Tree: files}
	const module, option = "dm-mod.ko", "CONFIG_BLK_DEV_DM"
	if set, known := t.configured(running, option); known && !set {
		return fmt.Errorf("kernel %s is built without it (%s is not set)", running, option)
	}
	present := false
	for _, dir := range t.directoriesOf(running) {
		index, err := t.Read(path.Join(dir, "modules.dep"))
		if err != nil {
			continue
		}
		if moduleLine(index, ":", module) != "" {
			return ErrNotLoaded
		}
		present = true
	}
	if present {
		return fmt.Errorf("kernel %s is built without it, or without its module", running)
	}
	return fmt.Errorf("the files of kernel %s are not here, as in a container: it cannot be told whether it could load dm-mod", running)
}

// configured looks for an option in the kernel's configuration, which is in
// /boot, beside the modules or, for the running kernel, in /proc.
func (t *system) configured(release, option string) (set, known bool) {
	files := []string{"boot/config-" + release}
	for _, dir := range t.directoriesOf(release) {
		files = append(files, path.Join(dir, "config"))
	}
	for _, file := range files {
		if text, err := t.Read(file); err == nil {
			return isSet(text, option), true
		}
	}
	if text, err := t.runningConfig(release); err == nil {
		return isSet(text, option), true
	}
	return false, false
}

func isSet(config, option string) bool {
	return slices.ContainsFunc([]string{"=y\n", "=m\n"}, func(value string) bool {
		return strings.Contains("\n"+config+"\n", "\n"+option+value)
	})
}

// runningConfig reads the running kernel's configuration, if that is the kernel
// asked about.
func (t *system) runningConfig(release string) (string, error) {
	running, err := t.Read("proc/sys/kernel/osrelease")
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(running) != release {
		return "", fmt.Errorf("kernel %s does not run", release)
	}
	f, err := t.Open("proc/config.gz")
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	r, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	_, err = io.Copy(&text, io.LimitReader(r, tree.MaxText))
	return text.String(), err
}
