//go:build linux

package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

const key = "aes-xts-plain64 5ec2e75ec2e7 0 8:1 0"

func answer(t *testing.T, targets ...Target) []byte {
	t.Helper()
	payload, err := encodeTargets(targets)
	if err != nil {
		t.Fatal(err)
	}
	return asAnswer(payload)
}

// A table is requested with the flag that makes the kernel wipe its buffers.
func TestTablesAreAskedForAsSecrets(t *testing.T) {
	info, _, err := decode(secretRequest(devices.KernelName("n"), false).encode())
	if want := devices.FlagSecureData | devices.FlagStatusTable | devices.FlagNoFlush; err != nil || info.Flags != want {
		t.Errorf("flags %#x, %v, want %#x", info.Flags, err, want)
	}
	if info, _, err = decode(secretRequest(devices.KernelName("n"), true).encode()); err != nil || info.Flags&devices.FlagQueryInactive == 0 {
		t.Errorf("the inactive table: flags %#x, %v", info.Flags, err)
	}
	if devices.FlagSecureData != 1<<15 {
		t.Errorf("DM_SECURE_DATA_FLAG is %#x", devices.FlagSecureData)
	}
}

// Secrets are wiped from the bytes of the answer itself.
func TestParametersAreBlanked(t *testing.T) {
	payload := answer(t, Target{0, 8, "crypt", key}, Target{8, 8, "snapshot-origin", "8:2"})
	err := blankParams(payload, 2, func(target string) bool { return strings.HasPrefix(target, "snapshot") })
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(payload, []byte("5ec2")) {
		t.Errorf("the key is still there: %q", payload)
	}
	got, err := decodeTargets(payload, 2)
	if diff := cmp.Diff([]Target{{0, 8, "crypt", ""}, {8, 8, "snapshot-origin", "8:2"}}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// An answer becomes the input of a load, byte for byte.
func TestAnswersBecomeInput(t *testing.T) {
	targets := []Target{{0, 8, "crypt", key}, {8, 16, "linear", "8:2 0"}, {24, 8, "zero", ""}}
	want, err := encodeTargets(targets)
	if err != nil {
		t.Fatal(err)
	}
	got := answer(t, targets...)
	native.PutUint32(got[specStatus:], 7) // an answer may have one
	if err := toInput(got, 3); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := toInput(got[:20], 1); err == nil {
		t.Error("an answer that is cut off was taken")
	}
}

func TestSameTargets(t *testing.T) {
	a := answer(t, Target{0, 8, "crypt", key}, Target{8, 8, "zero", ""})
	if !sameTargets(a, answer(t, Target{0, 8, "crypt", key}, Target{8, 8, "zero", ""}), 2) {
		t.Error("a table is not the same as itself")
	}
	for _, other := range [][]Target{
		{{0, 8, "crypt", key + "0"}, {8, 8, "zero", ""}},
		{{0, 8, "crypt", key[:len(key)-1]}, {8, 8, "zero", ""}},
		{{0, 8, "crypt", key}, {8, 8, "error", ""}},
		{{0, 8, "crypt", key}, {8, 16, "zero", ""}},
		{{0, 8, "crypt", key}},
	} {
		if sameTargets(a, answer(t, other...), 2) {
			t.Errorf("the same as %v", other)
		}
	}
}
