package blockdev

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDataFindsWhatIsNoHole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	const mib = 1 << 20
	if err := f.Truncate(8 * mib); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, mib), 3*mib); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if start, end, err := d.Data(0); err != nil || start != 3*mib || end != 4*mib {
		t.Errorf("first data: %d to %d, %v", start, end, err)
	}
	if start, end, err := d.Data(3*mib + 4096); err != nil || start != 3*mib+4096 || end != 4*mib {
		t.Errorf("within the data: %d to %d, %v", start, end, err)
	}
	for _, off := range []int64{4 * mib, 8 * mib, 9 * mib} {
		if start, end, err := d.Data(off); err != nil || start != 8*mib || end != 8*mib {
			t.Errorf("behind the data at %d: %d to %d, %v", off, start, end, err)
		}
	}
}
