package blockdev

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cachedPages is how many pages of a file are in the page cache, and how many
// there are.
func cachedPages(t *testing.T, f *os.File, size int) (cached, all int) {
	t.Helper()
	m, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Munmap(m); err != nil {
			t.Error(err)
		}
	}()
	pages := make([]byte, (size+os.Getpagesize()-1)/os.Getpagesize())
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(m))), uintptr(size), uintptr(unsafe.Pointer(unsafe.SliceData(pages)))); errno != 0 {
		t.Fatal(errno)
	}
	for _, p := range pages {
		cached += int(p & 1)
	}
	return cached, len(pages)
}

func openNull(t *testing.T) *os.File {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = null.Close() })
	return null
}

// TestPrefetch: every page of the part is in the page cache afterwards.
func TestPrefetch(t *testing.T) {
	const size = 9<<20 + 4096
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, bytes.Repeat([]byte{1}, size), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	forget := func() {
		t.Helper()
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := unix.Fadvise(int(d.f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			t.Fatal(err)
		}
	}
	forget()
	if err := d.Prefetch(context.Background(), 0, size); err != nil {
		t.Fatal(err)
	}
	if cached, all := cachedPages(t, d.f, size); cached != all {
		t.Errorf("%d of %d pages are cached", cached, all)
	}
	for name, null := range map[string]*os.File{"the null device": openNull(t), "buffers": nil} {
		forget()
		d.readThrough(null, 0, size)
		if cached, all := cachedPages(t, d.f, size); cached != all {
			t.Errorf("through %s: %d of %d pages are cached", name, cached, all)
		}
		if reached := d.sendTo(null, 0, size); (reached == size) != (null != nil) {
			t.Errorf("through %s: %d bytes are sent", name, reached)
		}
	}
	if reached := d.sendTo(openNull(t), size-100, size+100); reached != size {
		t.Errorf("the end of the file is at %d, and %d is reached", size, reached)
	}
	if err := d.Prefetch(context.Background(), size-100, 1<<30); err != nil { // longer than the file
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.Prefetch(ctx, 0, size); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestCacheRoom: there is none for what is read past the page cache.
func TestCacheRoom(t *testing.T) {
	if room := (&File{}).CacheRoom(); room <= 0 || room > 1<<50 {
		t.Errorf("room for %d bytes", room)
	}
	if room := (&File{direct: true}).CacheRoom(); room != 0 {
		t.Errorf("room for %d bytes past the page cache", room)
	}
}

func TestAvailableMemory(t *testing.T) {
	const meminfo = "MemTotal:       16384 kB\nMemFree:         100 kB\nMemAvailable:    8192 kB\nBuffers: 5 kB\n"
	unlimited := map[string]string{"proc/meminfo": meminfo}
	with := func(more map[string]string) map[string]string {
		files := map[string]string{"proc/meminfo": meminfo}
		for name, text := range more {
			files[name] = text
		}
		return files
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no procfs":              {nil, 0},
		"an old kernel":          {map[string]string{"proc/meminfo": "MemTotal: 16384 kB\n"}, 0},
		"garbage":                {map[string]string{"proc/meminfo": "MemAvailable:\n"}, 0},
		"negative":               {map[string]string{"proc/meminfo": "MemAvailable: -5 kB\n"}, 0},
		"more than there can be": {map[string]string{"proc/meminfo": "MemAvailable: 9223372036854775807 kB\n"}, math.MaxInt64 >> 10 << 10},
		"no groups":              {unlimited, 8 << 20},
		"groups without limits": {with(map[string]string{
			"proc/self/cgroup":                   "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.current":   "4096\n",
			"sys/fs/cgroup/a/b/memory.max":       "max\n",
			"sys/fs/cgroup/a/b/memory.high":      "max\n",
			"sys/fs/cgroup/other/memory.max":     "1\n",
			"sys/fs/cgroup/other/memory.current": "1\n",
		}), 8 << 20},
		"a limit": {with(map[string]string{
			"proc/self/cgroup":                 "1:name=systemd:/\n0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.current": "1000\n",
			"sys/fs/cgroup/a/b/memory.stat":    "anon 100\ninactive_file 600\n",
			"sys/fs/cgroup/a/b/memory.max":     "5000\n",
		}), 4600},
		"a limit above": {with(map[string]string{
			"proc/self/cgroup":                 "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.current": "1000\n",
			"sys/fs/cgroup/a/b/memory.max":     "5000\n",
			"sys/fs/cgroup/a/memory.current":   "2000\n",
			"sys/fs/cgroup/a/memory.high":      "3000\n",
			"sys/fs/cgroup/a/memory.max":       "9000\n",
		}), 1000},
		"a limit of the namespace": {with(map[string]string{
			"proc/self/cgroup":             "0::/\n",
			"sys/fs/cgroup/memory.current": "1000\n",
			"sys/fs/cgroup/memory.max":     "800\n",
		}), 0},
		"version 1": {with(map[string]string{
			"proc/self/cgroup": "5:cpu:/a\n4:memory:/a\n0::/\n",
			"sys/fs/cgroup/memory/a/memory.usage_in_bytes": "1000\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "5000\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes":   "1000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
		}), 4000},
	} {
		t.Run(name, func(t *testing.T) {
			if got := machine(t, test.files).AvailableMemory(); got != test.want {
				t.Errorf("%d bytes, want %d", got, test.want)
			}
		})
	}
}
