// The installed kernel: which release it is, and where its modules lie.

//go:build linux

package lab

import (
	"bufio"
	"bytes"
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

// Kernel is a User-mode Linux kernel with its modules.
type Kernel struct {
	// Binary is the path of the kernel.
	Binary string
	// Release is what the binary reports of itself, such as 6.1.176.
	Release string
	// ModuleDir holds modules.dep and the modules it names.
	ModuleDir string
}

// FindKernel asks the installed User-mode Linux what it is.
func FindKernel() (Kernel, error) {
	binary, err := exec.LookPath(kernelBinary)
	if err != nil {
		return Kernel{}, fmt.Errorf("find the User-mode Linux kernel (package user-mode-linux): %w", err)
	}
	release, err := exec.Command(binary, "--version").Output()
	if err != nil {
		return Kernel{}, fmt.Errorf("ask %s for its release: %w", binary, err)
	}
	k := Kernel{Binary: binary, Release: string(bytes.TrimSpace(release))}
	k.ModuleDir = filepath.Join(moduleRoot, k.Release)
	return k, nil
}

// Config returns the configuration that the kernel was built with.
func (k Kernel) Config() ([]byte, error) {
	config, err := exec.Command(k.Binary, "--showconfig").Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its configuration: %w", k.Binary, err)
	}
	return config, nil
}

// ModuleFiles returns the files of the named modules and of all that they need,
// in an order in which they can be loaded. A module that replace names is taken
// from the file given there; what it needs is taken from the kernel's own twin.
func (k Kernel) ModuleFiles(names []string, replace map[string]string) ([]string, error) {
	known, err := k.dependencies()
	if err != nil {
		return nil, err
	}
	var files []string
	for _, name := range names {
		chain, ok := known[moduleName(name)]
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

// dependencies reads modules.dep: for each module the files to load, its own
// last. A line there names the module first and what it needs in reverse order.
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

// moduleName turns a file or a name into the one spelling used for comparison;
// the kernel takes - and _ for the same.
func moduleName(file string) string {
	base, _, _ := strings.Cut(filepath.Base(file), ".")
	return strings.ReplaceAll(base, "_", "-")
}
