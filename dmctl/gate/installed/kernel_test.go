package installed

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree/treetest"
)

func TestScan(t *testing.T) {
	// A directory whose name could control a terminal is not a kernel's.
	files := treetest.With(debian, "usr/lib/modules/6.1\x1b[2J/kernel/fs/ext4.ko", "x")
	m, err := Scan(treetest.System(t, files), oldRelease)
	if err != nil {
		t.Fatal(err)
	}
	const file = "lib/modules/%s/kernel/drivers/md/dm-snapshot.ko"
	want := []Kernel{
		{Release: newRelease, Verdict: gate.Fixed, Version: fixed, File: fmt.Sprintf(file, newRelease), Next: true},
		{Release: oldRelease, Verdict: gate.Leaky, Version: leaky, File: fmt.Sprintf(file, oldRelease), Running: true},
	}
	if diff := cmp.Diff(want, m.Kernels, cmpopts.IgnoreFields(Kernel{}, "Rule", "FileSHA256")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if m.Verdict() != gate.Leaky {
		t.Errorf("the verdict on the machine is %v", m.Verdict())
	}
	if next, ok := m.Next(); !ok || next.Release != newRelease {
		t.Errorf("next is %q, %v", next.Release, ok)
	}
}

// Places of modules and images, and the results.
func TestJudge(t *testing.T) {
	const release, dir = "6.1.0", "lib/modules/6.1.0/"
	for _, test := range []struct {
		name  string
		files map[string]string
		want  Kernel
		rule  string // a part of it
	}{
		{
			name:  "no index",
			files: map[string]string{dir + "kernel/drivers/md/dm-snapshot.ko.xz": "@amd64-leaky.ko.xz"},
			want:  Kernel{Verdict: gate.Leaky, Version: leaky, File: dir + "kernel/drivers/md/dm-snapshot.ko.xz"},
			rule:  "series 1.11",
		},
		{
			name:  "split system, modules in /usr only",
			files: map[string]string{"usr/" + dir + "kernel/drivers/md/dm-snapshot.ko.zst": "@amd64-leaky.ko.zst", "lib/firmware": "x"},
			want:  Kernel{Verdict: gate.Leaky, Version: leaky, File: "usr/" + dir + "kernel/drivers/md/dm-snapshot.ko.zst"},
			rule:  "series 1.11",
		},
		{
			name: "an update replaces the kernel's own module",
			files: map[string]string{
				dir + "kernel/drivers/md/dm-snapshot.ko": "@amd64-leaky.ko",
				dir + "updates/dm-snapshot.ko":           "@amd64.ko",
				dir + "modules.dep":                      "updates/dm-snapshot.ko: kernel/drivers/md/dm-mod.ko\n",
			},
			want: Kernel{Verdict: gate.Fixed, Version: fixed, File: dir + "updates/dm-snapshot.ko"},
			rule: "1.12.0 or newer",
		},
		{
			name: "absolute paths in the index",
			files: map[string]string{
				dir + "kernel/drivers/md/dm-snapshot.ko": "@amd64.ko",
				dir + "modules.dep":                      "/" + dir + "kernel/drivers/md/dm-snapshot.ko: /x.ko\n",
			},
			want: Kernel{Verdict: gate.Fixed, Version: fixed, File: dir + "kernel/drivers/md/dm-snapshot.ko"},
			rule: "1.12.0 or newer",
		},
		{
			name:  "the index names a file that is gone",
			files: map[string]string{dir + "modules.dep": "kernel/drivers/md/dm-snapshot.ko:\n"},
			want:  Kernel{File: dir + "kernel/drivers/md/dm-snapshot.ko"},
			rule:  "does not exist",
		},
		{
			name: "built in",
			files: map[string]string{
				dir + "modules.builtin": "kernel/drivers/md/dm-mod.ko\nkernel/drivers/md/dm-snapshot.ko\n",
				"boot/vmlinuz-6.1.0":    "@vmlinux-amd64.bz2",
			},
			want: Kernel{Verdict: gate.Fixed, Version: fixed, File: "boot/vmlinuz-6.1.0", BuiltIn: true},
			rule: "1.12.0 or newer",
		},
		{
			name:  "built in, no image",
			files: map[string]string{dir + "modules.builtin": "kernel/drivers/md/dm-snapshot.ko\n"},
			want:  Kernel{BuiltIn: true},
			rule:  "the kernel's image was not found",
		},
		{
			name: "built in, an image that cannot be read",
			files: map[string]string{
				dir + "modules.builtin": "kernel/drivers/md/dm-snapshot.ko\n",
				"boot/vmlinuz-6.1.0":    "scrambled",
			},
			want: Kernel{BuiltIn: true},
			rule: "boot/vmlinuz-6.1.0: no kernel found in it",
		},
		{
			name:  "a damaged module",
			files: map[string]string{dir + "kernel/drivers/md/dm-snapshot.ko": "\x7fELF"},
			want:  Kernel{File: dir + "kernel/drivers/md/dm-snapshot.ko"},
			rule:  "cut off",
		},
		{
			name:  "no module",
			files: map[string]string{dir + "modules.dep": "kernel/fs/ext4/ext4.ko:\n"},
			rule:  "no module dm-snapshot",
		},
		{
			name:  "not configured",
			files: map[string]string{dir + "modules.dep": "", "boot/config-6.1.0": "CONFIG_MD=y\n# CONFIG_DM_SNAPSHOT is not set\n"},
			rule:  "CONFIG_DM_SNAPSHOT is not set",
		},
		{
			name: "links out of the root stay in it",
			files: map[string]string{
				dir + "kernel":              "-> /data/../../../modules",
				"modules/drivers/md":        "-> ../../md",
				"md/dm-snapshot.ko":         "-> /../store/it.ko",
				"store/it.ko":               "@386.ko=6.1.0",
				"data/this/is/not/the/way":  "x",
				dir + "modules.order":       "",
				"modules/drivers/something": "x",
			},
			want: Kernel{Verdict: gate.Fixed, Version: gate.Version{Major: 1, Minor: 15}, File: dir + "kernel/drivers/md/dm-snapshot.ko"},
			rule: "1.12.0 or newer",
		},
		{
			name: "links in a circle",
			files: map[string]string{
				dir + "kernel/drivers/md":  "-> mdd",
				dir + "kernel/drivers/mdd": "-> md",
			},
			rule: "no module dm-snapshot",
		},
	} {
		got, err := Judge(treetest.System(t, test.files), release)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		test.want.Release = release
		if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(Kernel{}, "Rule", "FileSHA256")); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", test.name, diff)
		}
		if !strings.Contains(got.Rule, test.rule) {
			t.Errorf("%s: %q says not %q", test.name, got.Rule, test.rule)
		}
	}
}

// Kernels that are easy to miss: an update alone, a module in an unusual
// place, a link to nothing, directories that cannot be read.
func TestWhatIsAKernel(t *testing.T) {
	const dir = "lib/modules/5.10.0/"
	for _, test := range []struct {
		name   string
		files  map[string]string
		closed string
		want   gate.Verdict
		rule   string
	}{
		{"an update alone", map[string]string{dir + "updates/dm-snapshot.ko": "@amd64-leaky.ko"}, "", gate.Leaky, "1.11"},
		{"an extra alone", map[string]string{dir + "extra/vendor/dm-snapshot.ko.xz": "@amd64-leaky.ko.xz"}, "", gate.Leaky, "1.11"},
		{"in no directory", map[string]string{dir + "dm-snapshot.ko": "@amd64-leaky.ko"}, "", gate.Leaky, "1.11"},
		{"an update before the kernel's own", map[string]string{dir + "kernel/drivers/md/dm-snapshot.ko": "@amd64.ko",
			dir + "updates/dm-snapshot.ko": "@amd64-leaky.ko"}, "", gate.Leaky, "1.11"},
		{"not where modules lie", map[string]string{dir + "kernel/dm/dm-snapshot.ko": "@amd64-leaky.ko"}, "", gate.Leaky, "1.11"},
		{"not in the sources", map[string]string{dir + "kernel/fs/ext4.ko": "x", dir + "build": "-> /usr/src",
			"usr/src/drivers/dm-snapshot.ko": "@amd64-leaky.ko"}, "", gate.Unknown, "no module"},
		{"a module that is a link to nothing", map[string]string{dir + "weak-updates/dm-snapshot.ko": "-> /lib/modules/5.9.0/dm-snapshot.ko"}, "",
			gate.Unknown, "weak-updates/dm-snapshot.ko: file does not exist"},
		{"a link to nothing", map[string]string{"lib/modules/5.10.0": "-> /gone"}, "", gate.Unknown, "link"},
		{"a link in a circle", map[string]string{dir + "updates": "-> updates", dir + "kernel/drivers/md/dm-snapshot.ko": "@amd64.ko"}, "",
			gate.Unknown, "too many symbolic links"},
		{"closed", map[string]string{dir + "kernel/drivers/md/dm-snapshot.ko": "@amd64-leaky.ko"}, "lib/modules/5.10.0", gate.Unknown, "permission denied"},
		{"a closed index", map[string]string{dir + "kernel/drivers/md/dm-snapshot.ko": "@amd64.ko", dir + "modules.dep": ""},
			dir + "modules.dep", gate.Unknown, "permission denied"},
		{"a closed index of what is built in", map[string]string{dir + "modules.dep": "", dir + "modules.builtin": ""},
			dir + "modules.builtin", gate.Unknown, "modules.builtin: permission denied"},
		{"closed updates", map[string]string{dir + "kernel/drivers/md/dm-snapshot.ko": "@amd64.ko", dir + "updates/x.ko": "x"},
			dir + "updates", gate.Unknown, "permission denied"},
	} {
		files := treetest.System(t, test.files)
		if test.closed != "" {
			files = tree.New(closedFS{treetest.FS(t, test.files), test.closed})
		}
		m, err := Scan(files, "")
		if err != nil || len(m.Kernels) != 1 {
			t.Errorf("%s: %+v, %v, want one kernel", test.name, m, err)
			continue
		}
		if k := m.Kernels[0]; k.Release != "5.10.0" || k.Verdict != test.want || !strings.Contains(k.Rule, test.rule) {
			t.Errorf("%s: %+v, want %v, by %q", test.name, k, test.want, test.rule)
		}
	}
}

// A search always ends.
func TestSearchIsBounded(t *testing.T) {
	const dir = "lib/modules/5.10.0/"
	files := map[string]string{dir + "kernel/a": "-> .", dir + "kernel/b": "-> ..", dir + "kernel/c": "-> /"}
	if file, err := (&system{Tree: treetest.System(t, files)}).searchModule("lib/modules/5.10.0"); file != "" || err != nil {
		t.Errorf("%q, %v, want nothing", file, err)
	}
	for i := range maxSearched + 1 {
		files[fmt.Sprintf("%skernel/%d.ko", dir, i)] = ""
	}
	if file, err := (&system{Tree: treetest.System(t, files)}).searchModule("lib/modules/5.10.0"); !errors.Is(err, errTooManyFiles) {
		t.Errorf("%q, %v, want %v", file, err, errTooManyFiles)
	}
}

// closedFS is a file system with one file that must not be opened, or one
// directory that must not be read.
type closedFS struct {
	fs.ReadLinkFS
	closed string
}

func (c closedFS) check(name string) error {
	if name == c.closed || strings.HasPrefix(name, c.closed+"/") {
		return &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return nil
}

func (c closedFS) Open(name string) (fs.File, error) {
	if err := c.check(name); err != nil {
		return nil, err
	}
	return c.ReadLinkFS.Open(name)
}

func (c closedFS) Lstat(name string) (fs.FileInfo, error) {
	if err := c.check(name); err != nil && name != c.closed {
		return nil, err
	}
	return c.ReadLinkFS.Lstat(name)
}

func TestWhatIsNoKernel(t *testing.T) {
	files := treetest.With(debian, "usr/lib/modules/5.10.0-1-amd64/updates/dkms/zfs.ko", "left behind", "usr/lib/modules/README", "text")
	m, err := Scan(treetest.System(t, files), "")
	if err != nil {
		t.Fatal(err)
	}
	files = treetest.With(files, "lib", "", "lib/modules", "a file where /usr/lib/modules has the kernels")
	if m, err := Scan(treetest.System(t, files), ""); err != nil || len(m.Kernels) != 2 {
		t.Errorf("with a file for /lib/modules: %v, %v", m, err)
	}
	if len(m.Kernels) != 2 {
		t.Errorf("found %d kernels, want 2: %+v", len(m.Kernels), m.Kernels)
	}
	if _, err := Scan(treetest.System(t, map[string]string{"etc/fstab": ""}), ""); !errors.Is(err, ErrNoKernels) {
		t.Errorf("an empty system: %v, want %v", err, ErrNoKernels)
	}
	if _, err := Judge(treetest.System(t, debian), "4.0"); err == nil || !strings.Contains(err.Error(), newRelease) {
		t.Errorf("a kernel that is not there: %v, want an error that names those that are", err)
	}
}

// The same on a real directory, with a link that points out of it.
func TestRealDirectory(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	root := filepath.Join(dir, "root")
	for _, d := range []string{outside, filepath.Join(root, "usr/lib/modules/6.1.0/kernel")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/usr/lib", filepath.Join(root, "lib")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "usr/lib/modules/6.1.0/modules.dep")); err != nil {
		t.Fatal(err)
	}
	files, err := tree.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	m, err := Scan(files, "")
	if err != nil || len(m.Kernels) != 1 || m.Kernels[0].Verdict != gate.Unknown {
		t.Errorf("%+v, %v, want one kernel, unknown", m, err)
	}
	if _, err := tree.Open(filepath.Join(dir, "missing")); err == nil {
		t.Error("a root that is not there was opened")
	}
}

func TestWhyNoDeviceMapper(t *testing.T) {
	var config bytes.Buffer
	w := gzip.NewWriter(&config)
	if _, err := w.Write([]byte("CONFIG_MD=y\n# CONFIG_BLK_DEV_DM is not set\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const dir = "lib/modules/6.1.0/"
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"not loaded", map[string]string{dir + "modules.dep": "kernel/drivers/md/dm-mod.ko.xz: kernel/x.ko\n", "boot/config-6.1.0": "CONFIG_BLK_DEV_DM=m\n"}, "installed and not loaded"},
		{"not configured", map[string]string{"boot/config-6.1.0": "# CONFIG_BLK_DEV_DM is not set\n"}, "CONFIG_BLK_DEV_DM is not set"},
		{"not configured, by /proc", map[string]string{"proc/config.gz": config.String(), "proc/sys/kernel/osrelease": "6.1.0\n"}, "CONFIG_BLK_DEV_DM is not set"},
		{"another kernel's configuration", map[string]string{"proc/config.gz": config.String(), "proc/sys/kernel/osrelease": "6.1.1\n"}, "container"},
		{"no module", map[string]string{dir + "modules.dep": "kernel/x.ko: kernel/drivers/md/dm-mod.ko\n"}, "without its module"},
		{"no files", nil, "container"},
	} {
		if got := WhyNoDeviceMapper(treetest.System(t, test.files), "6.1.0"); !strings.Contains(got.Error(), test.want) || errors.Is(got, ErrNotLoaded) != (test.name == "not loaded") {
			t.Errorf("%s: %q says not %q", test.name, got, test.want)
		}
	}
}
