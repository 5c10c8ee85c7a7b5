//go:build linux

// Archives: what packages there are, and fetching them without installing.

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
	options []string // that make apt's tools use it
}

// Configured is the archive that the machine is configured with.
var Configured Archive

// Backports is the archive of newer packages for the machine's release, on the
// mirror that the machine uses anyway. Its lists lie in dir; the machine's own
// configuration is not touched.
func Backports(dir string) (Archive, error) {
	const format = "$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI) $(SIGNED_BY)"
	out, err := exec.Command("apt-get", "indextargets", "--format", format).Output()
	if err != nil {
		return Archive{}, fmt.Errorf("ask apt-get for the package mirror: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "Packages" || f[1] != "main" || strings.ContainsAny(f[2], "-/") {
			continue // a suite of updates, or something else than packages
		}
		source := fmt.Sprintf("%s %s-backports main", f[3], f[2])
		if len(f) > 4 && strings.HasPrefix(f[4], "/") {
			source = "[signed-by=" + f[4] + "] " + source
		}
		return archiveOf(dir, "deb "+source)
	}
	return Archive{}, fmt.Errorf("apt-get knows no package mirror")
}

// archiveOf is an archive with a source list of its own in dir.
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
	return Archive{options: []string{
		"-o", "Dir::Etc::SourceList=" + list,
		"-o", "Dir::Etc::SourceParts=-",
		"-o", "Dir::State::Lists=" + filepath.Join(dir, "lists"),
		"-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
	}}, nil
}

// Names returns the packages whose names start with prefix, in no order.
func (a Archive) Names(prefix string) ([]string, error) {
	out, err := a.cache("pkgnames", prefix)
	return strings.Fields(out), err
}

// Versions returns the versions of a package that the archive has, the newest
// first.
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

// Update renews the archive's lists.
func (a Archive) Update() error { return aptGet("", a.options, "update") }

// Download puts the package's file, of just this version, into dir.
func (a Archive) Download(dir, name, version string) error {
	return aptGet(dir, a.options, "download", name+"="+version)
}

func (a Archive) cache(args ...string) (string, error) {
	out, err := exec.Command("apt-cache", append(append([]string{}, a.options...), args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("apt-cache %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}
