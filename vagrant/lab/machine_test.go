//go:build linux

package lab

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testKernel is a kernel with a modules.dep and nothing else.
func testKernel(t *testing.T) Kernel {
	t.Helper()
	dir := t.TempDir()
	dep := "md/dm-mod.ko:\nmd/dm-bufio.ko: md/dm-mod.ko\nmd/dm-snapshot.ko: md/dm-bufio.ko md/dm-mod.ko\n"
	if err := os.WriteFile(filepath.Join(dir, "modules.dep"), []byte(dep), 0o600); err != nil {
		t.Fatal(err)
	}
	return Kernel{Release: "6.1.0", ModuleDir: dir}
}

func TestModuleFiles(t *testing.T) {
	k := testKernel(t)
	in := func(names ...string) []string {
		for i, name := range names {
			names[i] = filepath.Join(k.ModuleDir, "md", name)
		}
		return names
	}
	for _, test := range []struct {
		names   []string
		replace map[string]string
		want    []string
	}{
		{nil, nil, nil},
		{[]string{"dm-snapshot"}, nil, in("dm-mod.ko", "dm-bufio.ko", "dm-snapshot.ko")},
		{[]string{"dm_bufio", "dm-snapshot"}, nil, in("dm-mod.ko", "dm-bufio.ko", "dm-snapshot.ko")},
		{[]string{"dm-snapshot"}, map[string]string{"dm-snapshot": "/leaky.ko"},
			append(in("dm-mod.ko", "dm-bufio.ko"), "/leaky.ko")},
	} {
		got, err := k.ModuleFiles(test.names, test.replace)
		if err != nil {
			t.Errorf("%v: %v", test.names, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.names, diff)
		}
	}
	if _, err := k.ModuleFiles([]string{"dm-none"}, nil); err == nil || !strings.Contains(err.Error(), "dm-none") {
		t.Errorf("unknown module: error %v", err)
	}
	if err := os.WriteFile(filepath.Join(k.ModuleDir, "modules.builtin"), []byte("kernel/fs/fuse/virtio_fs.ko\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := k.ModuleFiles([]string{"virtio-fs"}, nil); len(got) != 0 || err != nil {
		t.Errorf("what is built in takes the files %v, %v", got, err)
	}
	missing, err := k.Missing([]string{"dm_mod", "virtio-fs", "dm-none"})
	if diff := cmp.Diff([]string{"dm-none"}, missing); diff != "" || err != nil {
		t.Errorf("missing: %v\n%s", err, diff)
	}
	k.ModuleDir = t.TempDir()
	if _, err := k.ModuleFiles(nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no modules.dep: error %v", err)
	}
}

func TestDiagnose(t *testing.T) {
	for _, test := range []struct {
		console string
		kind    error
		reason  string
	}{
		{"", ErrBoot, "it said nothing on its console"},
		{"Linux version\nF_SETLK failed\nvirtio_loop: Unexpected poll revents 11\n", ErrBoot, "F_SETLK failed"},
		{"guest: mount proc on /proc: no such file or directory\nreboot: System halted\n", ErrBoot,
			"guest: mount proc on /proc: no such file or directory"},
		{"[1.0] Kernel panic - not syncing: Fatal exception\r\nCall Trace:\n", ErrPanic,
			"Kernel panic - not syncing: Fatal exception"},
		{"[1.0] RIP: 0010:memcpy+0x1/0x2\r\n[1.1] Kernel panic - not syncing: Fatal exception\r\n", ErrPanic,
			"Kernel panic - not syncing: Fatal exception, RIP: 0010:memcpy+0x1/0x2"},
	} {
		got := diagnose(test.console)
		want := &Failure{Kind: test.kind, Reason: test.reason, Console: test.console}
		if got.Kind != want.Kind || got.Reason != want.Reason || got.Console != want.Console {
			t.Errorf("%q: got %v, want %v", test.console, got, want)
		}
	}
}

func TestDiskFiles(t *testing.T) {
	dir := t.TempDir()
	files, err := Machine{Disks: []Disk{{Bytes: 4096}, {Path: "doc.go"}}}.diskFiles(dir)
	if err != nil || len(files) != 2 || !filepath.IsAbs(files[1]) {
		t.Fatalf("files %v, error %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Size() != 4096 {
		t.Errorf("blank disk: %v, error %v", info, err)
	}
	for name, disks := range map[string][]Disk{
		"separator": {{Path: "a:b"}},
		"absent":    {{Path: "absent"}},
		"too many":  make([]Disk, MaxDisks+1),
	} {
		if _, err := (Machine{Disks: disks}).diskFiles(dir); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestConsoleKeepsTheEnd(t *testing.T) {
	var c console
	for range 3 {
		if _, err := c.Write([]byte(strings.Repeat("x", consoleKept/2))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	if got := c.String(); len(got) != consoleKept || !strings.HasSuffix(got, "end") {
		t.Errorf("kept %d bytes, want %d with the end", len(got), consoleKept)
	}
}

func TestCacheDir(t *testing.T) {
	t.Setenv(cacheVariable, "/var/cache/lab")
	if dir, err := CacheDir(); err != nil || dir != "/var/cache/lab" {
		t.Errorf("%s, error %v", dir, err)
	}
	t.Setenv(cacheVariable, "")
	t.Setenv("XDG_CACHE_HOME", "/xdg")
	if dir, err := CacheDir(); err != nil || dir != "/xdg/dmsnapctl" {
		t.Errorf("%s, error %v", dir, err)
	}
}

func TestMemoryLiesInOneDirectory(t *testing.T) {
	t.Setenv("TMP", "/a")
	t.Setenv("TEMP", "/b")
	t.Setenv("TMPDIR", t.TempDir())
	var got []string
	for _, word := range memoryEnv(math.MaxInt) { // more than any tmpfs has
		if name, value, _ := strings.Cut(word, "="); name == "TMP" || name == "TEMP" || name == "TMPDIR" {
			got = append(got, value)
		}
	}
	if diff := cmp.Diff([]string{os.Getenv("TMPDIR")}, got); diff != "" {
		t.Error(diff)
	}
}

func TestUdevThatCannotBe(t *testing.T) {
	_, err := Machine{Kernel: testKernel(t), Udev: "slow"}.job()
	if err == nil || !strings.Contains(err.Error(), "alive, hung, dead") {
		t.Errorf("error %v", err)
	}
}
