// Stores and logs that real kernels wrote, which the repository keeps packed.

package cowtest

import (
	"compress/gzip"
	"io"
	"os"
	"testing"
)

// Unpack is what the .gz file at path holds.
func Unpack(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
