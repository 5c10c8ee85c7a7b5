package installed

import (
	"fmt"
	"path"
	"strings"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/kmod"
)

// The files below a root, the places of kernels' files, and the verdict on a
// kernel.

// system is the files below the root, and the state for reading kernels.
type system struct {
	*tree.Tree
	images sync.Mutex // over image
	image  kmod.ImageReader
}

// moduleDirectories are the places of modules: on split systems the first, on
// merged ones the first is a link to the second.
var moduleDirectories = []string{"lib/modules", "usr/lib/modules"}

// directoriesOf returns the possible directories of a kernel's modules.
func (t *system) directoriesOf(release string) []string {
	dirs := make([]string, len(moduleDirectories))
	for i, dir := range moduleDirectories {
		dirs[i] = path.Join(dir, release)
	}
	return dirs
}

// snapshotModule is the file of the module that registers the target.
const snapshotModule = "dm-snapshot.ko"

// moduleSuffixes are the suffixes of packed modules.
var moduleSuffixes = []string{"", ".xz", ".zst", ".gz"}

// imagesOf returns the possible places of a kernel's image.
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

// moduleLine returns the path of a module (by its file's name, without the
// suffix for packing) in an index of modules, which has one module per line:
// its path, and after the separator other modules.
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

// Kernel is an installed kernel and the verdict on its target "snapshot".
type Kernel struct {
	Release string
	Verdict gate.Verdict
	// Version is the target's version; it has no meaning if the verdict is
	// unknown.
	Version gate.Version
	// Rule says in one sentence why the verdict is what it is.
	Rule string
	// File is the file with the version, below the root; "" if none.
	File string
	// FileSHA256 is the hash of File, in hexadecimal.
	FileSHA256 string
	BuiltIn    bool
	// Running reports whether this kernel runs, Next whether the machine boots
	// it next.
	Running, Next bool
}

// evidence is a version and the file with it.
type evidence struct {
	version gate.Version
	file    string
	sha256  string
}

// say fills in the verdict, or why there is none.
func (k *Kernel) say(found evidence, err error) {
	k.File, k.FileSHA256 = found.file, found.sha256
	if err != nil {
		k.Rule = fmt.Sprintf("the version of its snapshot target cannot be told: %v", err)
		return
	}
	k.Version = found.version
	k.Verdict, k.Rule = gate.Judge(found.version)
}
