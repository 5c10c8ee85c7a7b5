// Command thirdparty writes the notices of the modules that the program is
// built from, for THIRD_PARTY.md: name, version, licence and its text.
//
//	go run ./packaging/thirdparty > THIRD_PARTY.md
//
// It fails for a module without a licence, and for a licence that is not known
// to be compatible with MIT, the licence of the program.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	text, err := notices()
	if err == nil {
		_, err = os.Stdout.WriteString(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "thirdparty:", err)
		os.Exit(1)
	}
}

// module is a module of the program, the place of its source, and the folders of
// the packages that the program is built from.
type module struct {
	Path, Version, Dir string
	packages           []string
}

// licences are recognised by a sentence of each; unless is a sentence that
// makes it a different one.
var licences = []struct{ name, sentence, unless string }{
	{name: "Apache-2.0", sentence: "Apache License Version 2.0"},
	{name: "BSD-3-Clause", sentence: "Neither the name of"},
	{name: "BSD-2-Clause", sentence: "Redistributions in binary form must reproduce", unless: "Neither the name of"},
	{name: "MIT", sentence: "Permission is hereby granted, free of charge"},
	{name: "ISC", sentence: "with or without fee is hereby granted, provided that the above"},
	{name: "0BSD", sentence: "with or without fee is hereby granted", unless: "hereby granted, provided that"},
}

const head = `# Third-party notices

dmsnapctl is built from the modules below and from Go's standard library. This
file is made by ` + "`make third-party`" + `.

`

// notices returns the text for all modules of the program on Linux.
func notices() (string, error) {
	modules, err := modulesOf("./cmd/dmsnapctl")
	if err != nil {
		return "", err
	}
	var table, texts strings.Builder
	for _, m := range modules {
		files, err := licenceFiles(m.Dir, m.packages)
		if err != nil {
			return "", fmt.Errorf("%s: %w", m.Path, err)
		}
		names := []string{}
		fmt.Fprintf(&texts, "\n## %s\n", m.Path)
		for _, f := range files {
			known := licencesOf(f.text)
			if len(known) == 0 && f.isLicence() {
				return "", fmt.Errorf("%s: %s is no licence that is known to fit", m.Path, f.name)
			}
			for _, name := range known {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
			fmt.Fprintf(&texts, "\n%s:\n\n%s", f.name, indented(f.text))
		}
		if len(names) == 0 {
			return "", fmt.Errorf("%s: no licence that is known to fit", m.Path)
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", m.Path, m.Version, strings.Join(names, ", "))
	}
	return head + "| module | version | licence |\n|---|---|---|\n" + table.String() + texts.String(), nil
}

// modulesOf lists the modules that a package depends on, and Go itself.
func modulesOf(pkg string) ([]*module, error) {
	root, err := output("go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	modules := []*module{{Path: "Go standard library", Version: "of the Go that builds", Dir: strings.TrimSpace(root)}}
	listed, err := output("go", "list", "-deps", "-tags", "urfave_cli_no_docs", "-f", `{{with .Module}}{{if not .Main}}{{printf "{\"Path\":%q,\"Version\":%q,\"Dir\":%q,\"Package\":%q}" .Path .Version .Dir $.Dir}}{{end}}{{end}}`, pkg)
	if err != nil {
		return nil, err
	}
	for dec := json.NewDecoder(strings.NewReader(listed)); ; {
		var l struct{ Path, Version, Dir, Package string }
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(modules, func(m *module) bool { return m.Path == l.Path })
		if i < 0 {
			i, modules = len(modules), append(modules, &module{Path: l.Path, Version: l.Version, Dir: l.Dir})
		}
		modules[i].packages = append(modules[i].packages, l.Package)
	}
	slices.SortFunc(modules[1:], func(a, b *module) int { return strings.Compare(a.Path, b.Path) })
	return modules, nil
}

// output runs a command at the top of the repository, for a fixed system that
// does not depend on this machine.
func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, &complaint)
	}
	return string(out), nil
}

type licenceFile struct{ name, text string }

// isLicence reports whether the file is a licence, not a notice beside one.
func (f licenceFile) isLicence() bool {
	name := strings.ToUpper(filepath.Base(f.name))
	return strings.HasPrefix(name, "LICEN") || strings.HasPrefix(name, "COPYING")
}

// licenceFiles returns the files with a module's terms of use: those in the
// folder of each of its packages and in the folders above, up to the module's.
// The name of a file is its path in the module.
func licenceFiles(dir string, packages []string) ([]licenceFile, error) {
	folders := []string{"."}
	for _, p := range packages {
		folder, err := filepath.Rel(dir, p)
		if err != nil {
			return nil, err
		}
		for ; !slices.Contains(folders, folder); folder = filepath.Dir(folder) {
			folders = append(folders, folder)
		}
	}
	slices.Sort(folders)
	var files []licenceFile
	for _, folder := range folders {
		found, err := licenceFilesIn(dir, folder)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, errors.New("no licence file")
	}
	return files, nil
}

func licenceFilesIn(dir, folder string) ([]licenceFile, error) {
	entries, err := os.ReadDir(filepath.Join(dir, folder))
	if err != nil {
		return nil, err
	}
	var files []licenceFile
	for _, e := range entries {
		upper := strings.ToUpper(e.Name())
		if e.IsDir() || strings.HasSuffix(e.Name(), ".go") ||
			!slices.ContainsFunc([]string{"LICEN", "COPYING", "NOTICE", "PATENTS"}, func(p string) bool { return strings.HasPrefix(upper, p) }) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, folder, e.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, licenceFile{filepath.ToSlash(filepath.Join(folder, e.Name())), string(text)})
	}
	return files, nil
}

// licencesOf names the known compatible licences in a text.
func licencesOf(text string) (names []string) {
	flat := strings.Join(strings.Fields(text), " ")
	for _, l := range licences {
		if strings.Contains(flat, l.sentence) && (l.unless == "" || !strings.Contains(flat, l.unless)) {
			names = append(names, l.name)
		}
	}
	return names
}

// indented returns a text in the form that Markdown shows unchanged.
func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		if line = strings.TrimRight(line, " \t\r\n"); line != "" {
			line = "    " + line
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
