package unpack

import (
	"os"
	"path/filepath"
	"testing"
)

// readFixture returns one of the modules and kernels that compilers made.
func readFixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "testdata", "modules", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
