package blockdev

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

func TestInFlight(t *testing.T) {
	s := machine(t, map[string]string{
		"sys/dev/block/253:0/stat":     "  1 0 8 0 7 0 56 0 0 0 0 0 0 0 0 3 0\n",
		"sys/dev/block/253:0/inflight": "       5        2\n",
		"sys/dev/block/253:1/stat":     "  1 0 8 0 7 0 56 0 0 0 0\n",
		"sys/dev/block/253:1/inflight": "       5        0\n", // reads
		"sys/dev/block/253:2/stat":     "  1 0 8 0 7 0 56 0 0 0 0\n",
		"sys/dev/block/253:2/inflight": "what\n",
	})
	for _, tt := range []struct {
		minor  uint32
		writes int
		err    error
	}{
		{0, 2, nil},
		{1, 0, nil},
		{2, 0, fs.ErrInvalid},
		{3, 0, fs.ErrNotExist},
	} {
		if writes, err := s.InFlight(DevNo{253, tt.minor}); writes != tt.writes || !errors.Is(err, tt.err) {
			t.Errorf("253:%d: %d writes, error %v", tt.minor, writes, err)
		}
	}
}

// TestCounts: a switch that is off proves nothing, and one that is on is
// trusted.
func TestCounts(t *testing.T) {
	const stat, moved = "1 0 8 0 7 0 56 0 0 0 0\n", "2 0 8 0 7 0 56 0 0 0 0\n"
	for _, tt := range []struct {
		iostats, after string
		want           bool
	}{
		{"1\n", stat, true},
		{"0\n", moved, true},
		{"0\n", stat, false},
	} {
		s := machine(t, map[string]string{"sys/dev/block/253:0/stat": stat, "sys/dev/block/253:0/queue/iostats": tt.iostats})
		got, err := s.Counts(DevNo{253, 0}, func() error {
			return os.WriteFile(s.block(DevNo{253, 0}, "stat"), []byte(tt.after), 0o600)
		})
		if got != tt.want || err != nil {
			t.Errorf("iostats %q, a read leaves %q: %v, error %v", tt.iostats, tt.after, got, err)
		}
	}
	s := machine(t, map[string]string{"sys/dev/block/253:0/stat": stat, "sys/dev/block/253:0/queue/iostats": "0\n"})
	if got, err := s.Counts(DevNo{253, 0}, func() error { return fs.ErrPermission }); got || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a device that cannot be read: %v, error %v", got, err)
	}
}
