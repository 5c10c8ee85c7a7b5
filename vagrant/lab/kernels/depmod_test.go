//go:build linux

package kernels

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIndex(t *testing.T) {
	got, err := index([]module{
		{"v/pci.ko", []string{"legacy-dev", "virtio"}},
		{"v/virtio.ko.xz", []string{"virtio_ring"}},
		{"v/legacy_dev.ko", nil},
		{"v/virtio_ring.ko", nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	// After the colon, the reverse of the loading order.
	want := "v/pci.ko: v/virtio.ko.xz v/virtio_ring.ko v/legacy_dev.ko\n" +
		"v/virtio.ko.xz: v/virtio_ring.ko\nv/legacy_dev.ko:\nv/virtio_ring.ko:\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestIndexOfModulesThatCannotBeLoaded(t *testing.T) {
	for says, modules := range map[string][]module{
		"needs none, which": {{"a.ko", []string{"none"}}},
		"needs itself":      {{"a.ko", []string{"b"}}, {"b.ko", []string{"a"}}},
	} {
		if _, err := index(modules); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: error %v", modules, err)
		}
	}
}
