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

// The files below a root, where kernels keep theirs, and what is said of one.

// system is the files below the root, and what reading kernels takes.
type system struct {
	*tree.Tree
	images sync.Mutex // over image
	image  kmod.ImageReader
}

// moduleDirectories is where kernels keep their modules: on split systems in
// the first, on merged ones the first is a link to the second.
var moduleDirectories = []string{"lib/modules", "usr/lib/modules"}

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

// moduleSuffixes are what packing adds to the names of modules.
var moduleSuffixes = []string{"", ".xz", ".zst", ".gz"}

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

// Kernel is an installed kernel and the verdict on its target "snapshot".
type Kernel struct {
	Release string
	Verdict gate.Verdict
	// Version is that of the target; meaningless where the verdict is unknown.
	Version gate.Version
	// Rule says in one sentence why the verdict is what it is.
	Rule string
	// File is what the version was read from, below the root; "" if none.
	File string
	// FileSHA256 is the hash of File, in hexadecimal.
	FileSHA256 string
	BuiltIn    bool
	// Running and Next say whether this kernel runs, and whether it is the one
	// that the machine boots next.
	Running, Next bool
}

// evidence is a version, and the file that it was read from.
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
