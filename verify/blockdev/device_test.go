package blockdev

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/dmsnapctl/dmsnapctl/testdata/thorough/quick" // fewer checks, fewer collections
)

func write(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenFile(t *testing.T) {
	data := bytes.Repeat([]byte{7}, 1000)
	f, err := Open(write(t, data))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Size() != 1000 || f.LogicalBlockSize() != 512 || f.IsBlockDevice() || !f.DevNo().IsZero() {
		t.Errorf("size %d, block %d, device %v, number %v", f.Size(), f.LogicalBlockSize(), f.IsBlockDevice(), f.DevNo())
	}
	if _, err := f.WriteAt([]byte{1}, 0); err == nil {
		t.Error("a write through Open succeeded")
	}
	d, err := f.Direct()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size()))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("Direct read %d bytes, %v", len(got), err)
	}
}

func TestOpenWriter(t *testing.T) {
	path := write(t, make([]byte, 16))
	f, err := OpenWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	var dev Device = f
	if _, err := dev.WriteAt([]byte("abc"), 4); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(dev.Flush(), f.DropCache(), f.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got[4:7]) != "abc" {
		t.Errorf("file holds %q, %v", got, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, ErrUnsupported) {
		t.Errorf("directory: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Open(os.DevNull); !errors.Is(err, ErrUnsupported) {
		t.Errorf("%s: %v", os.DevNull, err)
	}
}

// A path may lead to something else when it is opened than it did before.
func TestReplacedDuringTheOpen(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, write(t, []byte("a file"))} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		isDev := path != dir // not what it was: a file was a device, a directory was a file
		if d, err := describe(f, path, isDev); d != nil || err == nil || !strings.Contains(err.Error(), "replaced during the open") {
			t.Errorf("%s: %v", path, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestReadDirectAnyRange(t *testing.T) {
	const size = 3*directPiece/2/512*512 + 512*3
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*7 + i>>9)
	}
	f, err := Open(write(t, data))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.direct = true // a plain file accepts any read; this tests how reads are cut
	rapid.Check(t, func(t *rapid.T) {
		off := rapid.Int64Range(0, size+10).Draw(t, "off")
		n := rapid.OneOf(rapid.IntRange(0, 5000), rapid.IntRange(0, size+20)).Draw(t, "n")
		got, want := make([]byte, n), make([]byte, n)
		gotN, gotErr := f.ReadAt(got, off)
		wantN, wantErr := bytes.NewReader(data).ReadAt(want, off)
		if n == 0 {
			wantErr = nil // readers differ about empty reads at the end
			gotErr = nil
		}
		if gotN != wantN || (gotErr == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Fatalf("read %d at %d: %d, %v; want %d, %v", n, off, gotN, gotErr, wantN, wantErr)
		}
	})
}

func TestAlignedBuffer(t *testing.T) {
	for _, n := range []int{0, 1, 512, 4096, 1 << 20} {
		b := AlignedBuffer(n)
		if len(b) != n || cap(b) != n {
			t.Errorf("AlignedBuffer(%d) has length %d, capacity %d", n, len(b), cap(b))
		}
		if n >= 512 && !aligned(b, 0, 512) {
			t.Errorf("AlignedBuffer(%d) is not aligned", n)
		}
	}
}

func TestParseDevNo(t *testing.T) {
	for _, s := range []string{"0:0", "253:3", "4095:1048575"} {
		n, err := ParseDevNo(s)
		if err != nil || n.String() != s {
			t.Errorf("ParseDevNo(%q) = %v, %v", s, n, err)
		}
	}
	for _, s := range []string{"", "253", "253:", ":1", "4096:0", "0:1048576", "a:1", "1:-1", "+1:1", "1:2:3"} {
		if n, err := ParseDevNo(s); err == nil {
			t.Errorf("ParseDevNo(%q) = %v", s, n)
		}
	}
}

func TestGrowTo(t *testing.T) {
	path := write(t, []byte("abc"))
	f, err := OpenWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.GrowTo(2); err == nil || f.Size() != 3 {
		t.Errorf("a file shrinks: %v", err)
	}
	if err := f.GrowTo(4096); err != nil || f.Size() != 4096 {
		t.Errorf("%v, size %d", err, f.Size())
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, append([]byte("abc"), make([]byte, 4093)...)) {
		t.Errorf("the file has %d bytes, %v", len(got), err)
	}
}

// TestSame: a file has many names, and a block device many files.
func TestSame(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) *File {
		f, err := Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	// Two nodes of one device are two files, and one node can be of another device
	// later.
	node := func(f *File, n DevNo) *File { return &File{f: f.f, isDev: true, devNo: n} }
	wrapped := func(f *File) Device { return struct{ *File }{f} }
	inMemory := &ram{}
	for name, test := range map[string]struct {
		a, b Device
		want bool
	}{
		"one file":                {open("a"), open("a"), true},
		"two names":               {open("a"), open("link"), true},
		"two files":               {open("a"), open("b"), false},
		"embedded":                {wrapped(open("a")), wrapped(open("link")), true},
		"two embedded":            {wrapped(open("a")), open("b"), false},
		"two nodes of one device": {node(open("a"), DevNo{8, 1}), node(open("b"), DevNo{8, 1}), true},
		"two devices":             {node(open("a"), DevNo{8, 1}), node(open("a"), DevNo{8, 2}), false},
		"a device and a file":     {node(open("a"), DevNo{8, 1}), open("b"), false},
		"one in memory":           {inMemory, inMemory, true},
		"two in memory":           {inMemory, &ram{b: []byte{1}}, false},
		"what cannot be compared": {ram{}, ram{}, false},
		"a file and memory":       {open("a"), inMemory, false},
	} {
		for _, pair := range [][2]Device{{test.a, test.b}, {test.b, test.a}} {
			if same, err := Same(pair[0], pair[1]); err != nil || same != test.want {
				t.Errorf("%s: %v, %v", name, same, err)
			}
		}
	}
}

// ram is a device in memory.
type ram struct{ b []byte }

func (r ram) ReadAt(b []byte, off int64) (int, error)  { return copy(b, r.b[off:]), nil }
func (r ram) WriteAt(b []byte, off int64) (int, error) { return copy(r.b[off:], b), nil }
func (r ram) Size() int64                              { return int64(len(r.b)) }
func (ram) Flush() error                               { return nil }
