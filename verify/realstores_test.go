package verify

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// TestRealStores judges stores that real kernels left when they crashed. The
// README next to them says how they were made.
func TestRealStores(t *testing.T) {
	for _, tt := range []struct {
		file       string
		verdict    Verdict
		exceptions uint64
		leaks      Leaks
	}{
		{"stock.cow.gz", Clean, 200, Leaks{Ranges: []Range{}}},
		{"leaky.cow.gz", Leaked, 256, Leaks{Chunks: 6, Bytes: 6 * 4096, Ranges: []Range{{First: 202, Last: 207}}}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			got := judgeImage(t, cowtest.Unpack(t, filepath.Join("..", "testdata", "stores", tt.file)), Options{})
			if got.Verdict != tt.verdict || got.Usage.Exceptions != tt.exceptions {
				t.Errorf("%s with %d exceptions, want %s with %d", got.Verdict, got.Usage.Exceptions, tt.verdict, tt.exceptions)
			}
			if diff := cmp.Diff(tt.leaks, got.Leaks); diff != "" {
				t.Errorf("leaks (-want +got):\n%s", diff)
			}
		})
	}
}
