package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/cpiotest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/packtest"
)

// small is what the files in testdata hold, packed with `bzip2` and `lzop`, whose
// ways of packing Go has no writer for.
var small = cpiotest.Archive("etc/a", strings.Repeat("text ", 2000), "b", "x")

var smallFiles = []string{"etc/a: 10000", "b: 1"}

// walkAll lists the files of an initramfs with how much of them could be read.
func walkAll(data []byte) (files []string, err error) {
	err = Walk(bytes.NewReader(data), func(f File, r io.Reader) error {
		n, err := io.Copy(io.Discard, r)
		files = append(files, fmt.Sprintf("%s: %d", f.Name, n))
		return err
	})
	return files, err
}

func packers(t testing.TB) map[string][]byte {
	all := map[string][]byte{"": small}
	for how := range packtest.Packers {
		if how != "zstd window" {
			all[how] = packtest.Packed(t, how, small)
		}
	}
	for _, how := range []string{"bz2", "lzo"} {
		data, err := os.ReadFile("testdata/small.cpio." + how)
		if err != nil {
			t.Fatal(err)
		}
		all[how] = data
	}
	return all
}

func TestWalk(t *testing.T) {
	for how, packed := range packers(t) {
		if files, err := walkAll(packed); err != nil || cmp.Diff(smallFiles, files) != "" {
			t.Errorf("%q: %q, %v, want %q", how, files, err, smallFiles)
		}
	}
}

// Early archives with microcode, padded, come before the packed one; members
// follow each other, with zeros between them or not.
func TestWalkSeveral(t *testing.T) {
	early := append(cpiotest.Archive("kernel/x86/microcode/GenuineIntel.bin", strings.Repeat("\x01", 5000)), make([]byte, 700)...)
	early = append(early, make([]byte, 512-len(early)%512)...)
	want := append(append([]string{"kernel/x86/microcode/GenuineIntel.bin: 5000"}, smallFiles...), "late: 3")
	for how, packed := range packers(t) {
		for _, gap := range []int{0, 4, 512} {
			if how == "lz4" || gap == 0 && (how == "bz2" || how == "lz4-legacy") {
				continue // the decoders look on: see the next test
			}
			data := append(bytes.Clone(early), packed...)
			data = append(append(data, make([]byte, gap)...), packtest.Packed(t, "gzip", cpiotest.Archive("late", "abc"))...)
			if files, err := walkAll(data); err != nil || cmp.Diff(want, files) != "" {
				t.Errorf("%q, a gap of %d: %q, %v, want %q", how, gap, files, err, want)
			}
		}
	}
}

// If the end of a part is not known, there is an error, and nothing is skipped
// silently.
func TestWalkLooksOn(t *testing.T) {
	for _, how := range []string{"bz2", "lz4", "lz4-legacy"} {
		data := append(bytes.Clone(packers(t)[how]), packtest.Packed(t, "gzip", cpiotest.Archive("late", "abc"))...)
		files, err := walkAll(data)
		if err == nil && len(files) != len(smallFiles)+1 {
			t.Errorf("%s: %q and no error", how, files)
		}
	}
}

func TestWalkRefuses(t *testing.T) {
	damaged := bytes.Clone(small)
	copy(damaged[6+8*6:], "zzzzzzzz")
	long := bytes.Clone(small)
	copy(long[6+8*11:], "7fffffff")
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "not an initramfs"},
		{"zeros", make([]byte, 4096), "not an initramfs"},
		{"text", []byte("scrambled"), "not an initramfs"},
		{"packed text", packtest.Packed(t, "zstd", []byte("scrambled")), "not an initramfs"},
		{"junk behind", append(bytes.Clone(small), "junk"...), "not an initramfs"},
		{"junk behind, packed", append(packtest.Packed(t, "zstd", small), "junk"...), "not an initramfs"},
		{"a damaged header", damaged, "damaged"},
		{"a name without end", long, "damaged"},
		{"cut off in a file", small[:3000], "cut off"},
		{"cut off in a header", small[:50], "cut off"},
		{"cut off, packed", packtest.Packed(t, "zstd", small)[:40], "unpacking zstd"},
		{"many archives", bytes.Repeat(cpiotest.Archive(), maxArchives+1), "archives"},
		{"archives without end", packtest.Packed(t, "gzip", bytes.Repeat(cpiotest.Archive(), 1000)), "archives"},
	} {
		if files, err := walkAll(test.data); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %q, %v, want an error with %q", test.name, files, err, test.want)
		}
	}
}

// bomb is an archive of one file without end.
type bomb struct {
	head []byte
	left int64
}

func (b *bomb) Read(p []byte) (int, error) {
	if len(b.head) > 0 {
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	}
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, io.EOF
	}
	return len(p), nil
}

// Neither work nor memory depends on what a header claims.
func TestWalkIsBounded(t *testing.T) {
	var b bytes.Buffer
	cpiotest.Add(&b, "huge", "", 0o100644, 1)
	head := b.Bytes()
	copy(head[6+8*6:], "ffffffff")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := Walk(&bomb{head, 1 << 40}, func(File, io.Reader) error { return nil })
	runtime.ReadMemStats(&after)
	if !errors.Is(err, errTooLarge) {
		t.Errorf("%v, want %v", err, errTooLarge)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 1<<20 {
		t.Errorf("%d bytes of memory were taken", taken)
	}
}

// An error of the visitor ends the walk.
func TestVisitorEndsTheWalk(t *testing.T) {
	stop := errors.New("stop")
	calls := 0
	err := Walk(bytes.NewReader(small), func(File, io.Reader) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%v after %d calls, want %v after one", err, calls, stop)
	}
}

func FuzzWalk(f *testing.F) {
	for _, packed := range packers(f) {
		f.Add(packed)
	}
	f.Add(append(bytes.Clone(small), packtest.Packed(f, "zstd", small)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		seen := 0
		_ = Walk(bytes.NewReader(data), func(file File, r io.Reader) error {
			if seen++; seen > 1000 {
				return errors.New("enough")
			}
			if n, _ := io.Copy(io.Discard, io.LimitReader(r, 1<<20)); n > file.Size {
				t.Fatalf("%d bytes of %d", n, file.Size)
			}
			return nil
		})
	})
}
