//go:build linux

// Archives: which packages exist, and fetching them without installation.

package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Archive is a package archive.
type Archive struct {
	options []string // for apt's tools, to use this archive
}

// Configured is the archive that the machine is configured with.
var Configured Archive

// Suites that [Open] accepts, besides the names of releases.
const (
	// Backports are the newer packages for the machine's own release.
	Backports = "backports"
	// Unstable is where new packages arrive first.
	Unstable = "sid"
)

// Open returns the archive of a suite other than the machine's own, on the
// mirror that the machine already uses. Its lists are in dir; the machine's
// configuration does not change. Call [Archive.Update] before use.
func Open(suite, dir string) (Archive, error) {
	const format = "$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI) $(SIGNED_BY)"
	out, err := exec.Command("apt-get", "indextargets", "--format", format).Output()
	if err != nil {
		return Archive{}, fmt.Errorf("ask apt-get for the package mirror: %w", err)
	}
	source, err := sourceOf(suite, string(out))
	if err != nil {
		return Archive{}, err
	}
	return archiveOf(dir, source)
}

// Sources returns the files that list the archives of this machine.
func Sources() ([]string, error) {
	files, err := filepath.Glob("/etc/apt/sources.list.d/*.sources")
	if _, absent := os.Stat("/etc/apt/sources.list"); absent == nil {
		files = append(files, "/etc/apt/sources.list")
	}
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("apt-get knows no package mirror")
	}
	return files, err
}

// Release returns the code name of this machine's release, such as bookworm.
func Release() (string, error) {
	out, err := exec.Command("/bin/sh", "-c", `. /etc/os-release && echo "${VERSION_CODENAME:?}"`).Output()
	if err != nil {
		return "", fmt.Errorf("find the release in /etc/os-release: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// sourceOf returns the line of a source list for the suite, on the mirror of
// the machine's own release. targets are the machine's indexes, one per line:
// origin, component, release, address, and the key that signs it.
func sourceOf(suite, targets string) (string, error) {
	for line := range strings.Lines(targets) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "Packages" || f[1] != "main" || strings.ContainsAny(f[2], "-/") {
			continue // a suite of updates, or not packages
		}
		if suite == Backports {
			suite = f[2] + "-" + Backports
		}
		source := fmt.Sprintf("%s %s main", f[3], suite)
		if len(f) > 4 && strings.HasPrefix(f[4], "/") {
			source = "[signed-by=" + f[4] + "] " + source
		}
		return "deb " + source, nil
	}
	return "", fmt.Errorf("apt-get knows no package mirror")
}

// archiveOf returns an archive with its own source list in dir.
func archiveOf(dir, source string) (Archive, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Archive{}, err
	}
	for _, part := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o755); err != nil {
			return Archive{}, err
		}
	}
	list := filepath.Join(dir, "sources.list")
	if err := os.WriteFile(list, []byte(source+"\n"), 0o644); err != nil {
		return Archive{}, err
	}
	// The packages installed here say nothing about another suite's packages.
	status := filepath.Join(dir, "status")
	if err := os.WriteFile(status, nil, 0o644); err != nil {
		return Archive{}, err
	}
	return Archive{options: []string{
		"-o", "Dir::Etc::SourceList=" + list,
		"-o", "Dir::Etc::SourceParts=-",
		"-o", "Dir::State::Status=" + status,
		"-o", "Dir::State::Lists=" + filepath.Join(dir, "lists"),
		"-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
	}}, nil
}

// Names returns the packages whose names start with prefix, in no particular
// order.
func (a Archive) Names(prefix string) ([]string, error) {
	out, err := a.cache("pkgnames", prefix)
	return strings.Fields(out), err
}

// Versions returns the versions of a package in the archive, newest first.
func (a Archive) Versions(name string) ([]string, error) {
	out, err := a.cache("madison", name)
	if err != nil {
		return nil, err
	}
	var versions []string
	for line := range strings.Lines(out) {
		if fields := strings.Split(line, "|"); len(fields) > 1 {
			versions = append(versions, strings.TrimSpace(fields[1]))
		}
	}
	return versions, nil
}

// Depends returns the names of the packages that this version of a package
// depends on. Of alternatives it returns the first.
func (a Archive) Depends(name, version string) ([]string, error) {
	out, err := a.cache("show", name+"="+version)
	if err != nil {
		return nil, err
	}
	return dependsOf(out), nil
}

// dependsOf reads the field Depends of a package description.
func dependsOf(description string) []string {
	var names []string
	for line := range strings.Lines(description) {
		list, ok := strings.CutPrefix(line, "Depends:")
		if !ok {
			continue
		}
		for alternatives := range strings.SplitSeq(list, ",") {
			if f := strings.Fields(alternatives); len(f) > 0 {
				names = append(names, f[0])
			}
		}
		break // apt-cache may show more than one version
	}
	return names
}

// Update refreshes the lists of the archive.
func (a Archive) Update() error { return aptGet("", a.options, "update") }

// Download downloads this version of a package to dir. An empty version means
// the newest.
func (a Archive) Download(dir, name, version string) error {
	if version == "" {
		return aptGet(dir, a.options, "download", name)
	}
	return aptGet(dir, a.options, "download", name+"="+version)
}

func (a Archive) cache(args ...string) (string, error) {
	out, err := exec.Command("apt-cache", append(append([]string{}, a.options...), args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("apt-cache %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

// Unpack downloads a package and unpacks it below root, without its scripts and
// without installing it. Patterns, if any, select files in the form of tar,
// such as ./usr/bin/*.
func (a Archive) Unpack(root, name, version string, patterns ...string) error {
	work, err := os.MkdirTemp(root, "package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := a.Download(work, name, version); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("download of %s: want one file, got %q", name, files)
	}
	const script = `deb=$1 root=$2; shift 2
dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --wildcards "$@"`
	args := append([]string{"-o", "pipefail", "-c", script, "bash", files[0], root}, patterns...)
	if out, err := exec.Command("/bin/bash", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
