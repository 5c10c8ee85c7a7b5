package dmtest

import (
	"errors"
	"syscall"
	"testing"
)

// No file has fewer than 0 bytes, and a loop device on an empty one no sector.
func TestNewFilesHaveASize(t *testing.T) {
	m := New()
	for _, bytes := range []int64{0, -4096} {
		if _, err := m.NewStore("/store", bytes); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("a store of %d bytes: %v", bytes, err)
		}
		if _, err := m.NewScratch("/var/tmp", bytes); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("a store without a name of %d bytes: %v", bytes, err)
		}
	}
	if len(m.Loops) > 0 || m.Files["/store"] != nil {
		t.Error("something was made")
	}
}
