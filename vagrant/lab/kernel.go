// A kernel: its release, the place of its modules, and the order in which they
// are loaded.

//go:build linux

package lab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	kernelBinary = "linux.uml"
	moduleRoot   = "/usr/lib/uml/modules"
)

// Kernel is a kernel with its modules.
type Kernel struct {
	Engine Engine
	// Binary is the path of the kernel: a program for [UML], an image to boot
	// for [QEMU].
	Binary string
	// Release is the release that the kernel reports, such as 6.1.176.
	Release string
	// ModuleDir holds modules.dep, modules.builtin and the modules they name.
	ModuleDir string
	// ConfigFile is the configuration that the kernel was built with; empty for
	// [UML], which prints it on request.
	ConfigFile string
}

// FindKernel returns the installed User-mode Linux.
func FindKernel() (Kernel, error) {
	binary, err := exec.LookPath(kernelBinary)
	if err != nil {
		return Kernel{}, fmt.Errorf("find the User-mode Linux kernel (package user-mode-linux): %w", err)
	}
	return UMLKernel(binary, moduleRoot)
}

// UMLKernel returns the User-mode Linux in the file binary. Its modules are in
// modules, in a directory named after its release.
func UMLKernel(binary, modules string) (Kernel, error) {
	release, err := exec.Command(binary, "--version").Output()
	if err != nil {
		return Kernel{}, fmt.Errorf("ask %s for its release: %w", binary, err)
	}
	k := Kernel{Engine: UML, Binary: binary, Release: string(bytes.TrimSpace(release))}
	k.ModuleDir = filepath.Join(modules, k.Release)
	return k, nil
}

// Config returns the configuration that the kernel was built with.
func (k Kernel) Config() ([]byte, error) {
	if k.ConfigFile != "" {
		return os.ReadFile(k.ConfigFile)
	}
	config, err := exec.Command(k.Binary, "--showconfig").Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its configuration: %w", k.Binary, err)
	}
	return config, nil
}

// ModuleFiles returns the files of the named modules and of everything they
// need, in an order in which they can be loaded. For a module in replace, the
// file given there is used; its dependencies are those of the kernel's own
// module of that name. Built-in modules need no file.
func (k Kernel) ModuleFiles(names []string, replace map[string]string) ([]string, error) {
	known, err := k.dependencies()
	if err != nil {
		return nil, err
	}
	builtin, err := k.builtin()
	if err != nil {
		return nil, err
	}
	var files []string
	for _, name := range names {
		chain, ok := known[moduleName(name)]
		if !ok && slices.Contains(builtin, moduleName(name)) {
			continue
		}
		if !ok {
			return nil, fmt.Errorf("kernel %s has no module %s in %s", k.Release, name, k.ModuleDir)
		}
		for _, file := range chain {
			if other, ok := replace[moduleName(file)]; ok {
				file = other
			}
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files, nil
}

// Missing returns the names for which the kernel has neither a module nor a
// built-in.
func (k Kernel) Missing(names []string) ([]string, error) {
	known, err := k.dependencies()
	if err != nil {
		return nil, err
	}
	builtin, err := k.builtin()
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, name := range names {
		if _, ok := known[moduleName(name)]; !ok && !slices.Contains(builtin, moduleName(name)) {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

// builtin returns the names of the modules that are built in.
func (k Kernel) builtin() ([]string, error) {
	text, err := os.ReadFile(filepath.Join(k.ModuleDir, "modules.builtin"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("modules of kernel %s: %w", k.Release, err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		names = append(names, moduleName(strings.TrimSpace(line)))
	}
	return names, nil
}

// dependencies reads modules.dep. For each module it returns the files to load,
// with its own last. A line of that file names the module first, then what it
// needs in reverse order.
func (k Kernel) dependencies() (map[string][]string, error) {
	f, err := os.Open(filepath.Join(k.ModuleDir, "modules.dep"))
	if err != nil {
		return nil, fmt.Errorf("modules of kernel %s: %w", k.Release, err)
	}
	defer f.Close()
	known := map[string][]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		file, needs, _ := strings.Cut(lines.Text(), ":")
		chain := append([]string{file}, strings.Fields(needs)...)
		slices.Reverse(chain)
		for i := range chain {
			chain[i] = filepath.Join(k.ModuleDir, chain[i])
		}
		known[moduleName(file)] = chain
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return known, nil
}

// moduleName returns the spelling of a file or name that is used for
// comparison: the kernel treats - and _ as the same.
func moduleName(file string) string {
	base, _, _ := strings.Cut(filepath.Base(file), ".")
	return strings.ReplaceAll(base, "_", "-")
}
