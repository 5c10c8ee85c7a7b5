//go:build linux

// The index of a kernel's modules. A package leaves it to depmod.

package kernels

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
)

// module is what a module says about itself.
type module struct {
	file  string   // below the directory of the index
	needs []string // names of other modules
}

// writeIndex writes dir/modules.dep for the modules in dir.
func writeIndex(dir string) error {
	var modules []module
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !strings.Contains(e.Name(), ".ko") {
			return err
		}
		needs, err := needsOf(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		file, err := filepath.Rel(dir, path)
		modules = append(modules, module{file, needs})
		return err
	})
	if err != nil {
		return err
	}
	text, err := index(modules)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "modules.dep"), []byte(text), 0o644)
}

// index returns the text of modules.dep: each module with everything it needs,
// in reverse loading order.
func index(modules []module) (string, error) {
	byName := map[string]module{}
	for _, m := range modules {
		byName[nameOf(m.file)] = m
	}
	var text strings.Builder
	for _, m := range modules {
		order, err := order(m, byName, nil, nil)
		if err != nil {
			return "", err
		}
		order = order[:len(order)-1] // itself
		slices.Reverse(order)
		fmt.Fprintf(&text, "%s:%s\n", m.file, strings.Join(append([]string{""}, order...), " "))
	}
	return text.String(), nil
}

// order appends to loaded what m needs and loaded lacks, in loading order, and
// then m's own file. within are the modules on the way to m.
func order(m module, byName map[string]module, within, loaded []string) ([]string, error) {
	if slices.Contains(within, m.file) {
		return nil, fmt.Errorf("module %s needs itself", m.file)
	}
	for _, name := range m.needs {
		next, ok := byName[nameOf(name)]
		if !ok {
			return nil, fmt.Errorf("module %s needs %s, which is missing", m.file, name)
		}
		if slices.Contains(loaded, next.file) {
			continue
		}
		var err error
		if loaded, err = order(next, byName, append(within, m.file), loaded); err != nil {
			return nil, err
		}
	}
	return append(loaded, m.file), nil
}

// nameOf returns the one spelling of a module name or file that is used for
// comparison.
func nameOf(file string) string {
	base, _, _ := strings.Cut(filepath.Base(file), ".")
	return strings.ReplaceAll(base, "-", "_")
}

// needsOf reads the names of the modules that the module in the file needs.
func needsOf(file string) ([]string, error) {
	packed, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	data, err := unpack(file, packed)
	if err != nil {
		return nil, err
	}
	object, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	section := object.Section(".modinfo")
	if section == nil {
		return nil, errors.New("a module without a description")
	}
	texts, err := section.Data()
	if err != nil {
		return nil, err
	}
	for text := range bytes.SplitSeq(texts, []byte{0}) {
		if list, ok := bytes.CutPrefix(text, []byte("depends=")); ok && len(list) > 0 {
			return strings.Split(string(list), ","), nil
		}
	}
	return nil, nil
}

// unpack returns a module's content, with any compression of its file removed.
func unpack(file string, packed []byte) ([]byte, error) {
	switch filepath.Ext(file) {
	case ".xz":
		r, err := xz.NewReader(bytes.NewReader(packed), 0)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case ".zst":
		r, err := zstd.NewReader(nil)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return r.DecodeAll(packed, nil)
	}
	return packed, nil
}
