// Stores and logs written by real kernels, which the repository keeps
// compressed.

package cowtest

import (
	"compress/gzip"
	"io"
	"os"
	"testing"
)

// Unpack returns the content of the .gz file at path.
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
