package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// mainAndPeak runs the program and prints its peak of memory as the kernel
// counts it. (The peak that a parent gets for a child includes the parent's
// own: exec_mmap in the kernel's fs/exec.c.)
func mainAndPeak() {
	run(context.Background(), os.Args, streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	for l := range strings.Lines(string(status)) {
		if strings.HasPrefix(l, "VmHWM:") {
			fmt.Fprint(os.Stderr, l)
		}
	}
}

func init() { programs["dmsnapctl-and-peak"] = mainAndPeak }

// TestMemoryOfBrokenStores: a store with exceptions scattered everywhere takes
// no more memory than any other.
func TestMemoryOfBrokenStores(t *testing.T) {
	const exceptions, most = 1_500_000, 64 << 10 // KiB
	path := filepath.Join(t.TempDir(), "store")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := int64(14 << 40) // a file system may not hold files of that size
	for ; f.Truncate(size) != nil; size /= 2 {
		if size < 100<<30 {
			t.Fatalf("no sparse files of %d bytes here", 2*size)
		}
	}
	random := rand.New(rand.NewPCG(1, 1))
	err = cowtest.Write(f, cow.NewHeader(8), func(yield func(cow.Exception) bool) {
		for range exceptions {
			e := cow.Exception{Old: cow.Chunk(random.Uint64()), New: cow.Chunk(2 + random.Uint64N(uint64(size/4096-2)))}
			if !yield(e) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", "--json", path}, {"delta", path}}[:thorough.Of(1, 2)] {
		var stderr bytes.Buffer
		child := exec.Command("dmsnapctl-and-peak", args...)
		child.Stderr = &stderr
		if err := child.Run(); err != nil {
			t.Fatalf("%s: %v: %s", args[0], err, stderr.String())
		}
		_, last, _ := strings.Cut(stderr.String(), "VmHWM:")
		peak := 0
		if _, err := fmt.Sscanf(last, "%d kB", &peak); err != nil {
			t.Fatalf("%s: %v: %q", args[0], err, stderr.String())
		}
		t.Logf("%s: peak of memory: %d KiB", args[0], peak)
		if peak > most {
			t.Errorf("%s: peak of memory %d KiB, want %d at most", args[0], peak, most)
		}
	}
}
