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

// Suites that [Open] knows besides the names of releases.
const (
	// Backports are the newer packages for the machine's own release.
	Backports = "backports"
	// Unstable is where new packages arrive first.
	Unstable = "sid"
)

// Open returns the archive of another suite than the machine's own, on the
// mirror that the machine uses anyway. Its lists lie in dir; the machine's own
// configuration is not touched. [Archive.Update] is to be called before use.
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

// sourceOf is the line of a source list for the suite, on the mirror of the
// machine's own release. targets are the indexes that the machine has, one a
// line: who made it, component, release, address, and what signs it.
func sourceOf(suite, targets string) (string, error) {
	for line := range strings.Lines(targets) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "Packages" || f[1] != "main" || strings.ContainsAny(f[2], "-/") {
			continue // a suite of updates, or something else than packages
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
	// Whatever is installed here says nothing of another suite's packages.
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

// Depends returns the names of the packages that a package of just this version
// depends on: of alternatives the first.
func (a Archive) Depends(name, version string) ([]string, error) {
	out, err := a.cache("show", name+"="+version)
	if err != nil {
		return nil, err
	}
	return dependsOf(out), nil
}

// dependsOf reads the field Depends out of a package's description.
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

// Update renews the archive's lists.
func (a Archive) Update() error { return aptGet("", a.options, "update") }

// Download puts the package's file, of just this version, into dir.
// No version means the newest.
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
// without installing it. Patterns, if any, name the files that are wanted, as tar
// has them, such as ./usr/bin/*.
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
		return fmt.Errorf("download of %s left %d files: %v", name, len(files), err)
	}
	const script = `deb=$1 root=$2; shift 2
dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --wildcards "$@"`
	args := append([]string{"-o", "pipefail", "-c", script, "bash", files[0], root}, patterns...)
	if out, err := exec.Command("/bin/bash", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
