package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	_ "github.com/dmsnapctl/dmsnapctl/testdata/thorough/quick" // fewer checks, fewer collections
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

var plain = cmp.AllowUnexported(Name{}, UUID{})

func TestHeaderBothWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := request{
			name:    devices.KernelName(rapid.StringMatching(`[a-z]{0,127}`).Draw(t, "name")),
			uuid:    devices.KernelUUID(rapid.StringMatching(`[A-Z]{0,128}`).Draw(t, "uuid")),
			dev:     blockdev.DevNo{Major: rapid.Uint32Range(0, 4095).Draw(t, "major"), Minor: rapid.Uint32Range(0, 1<<20-1).Draw(t, "minor")},
			flags:   Flags(rapid.Uint32().Draw(t, "flags")),
			eventNr: rapid.Uint32().Draw(t, "event"),
			targets: rapid.Uint32().Draw(t, "targets"),
			payload: rapid.SliceOf(rapid.Byte()).Draw(t, "payload"),
		}
		info, payload, err := decode(r.encode())
		if err != nil {
			t.Fatal(err)
		}
		want := Info{Name: r.name, UUID: r.uuid, Dev: r.dev, Flags: r.flags, EventNr: r.eventNr, Targets: r.targets, Kernel: gate.Version{Major: 4}}
		if diff := cmp.Diff(want, info, plain); diff != "" {
			t.Fatal(diff)
		}
		if string(payload) != string(r.payload) {
			t.Fatalf("payload %x, want %x", payload, r.payload)
		}
	})
}

// asAnswer converts input for the kernel to the form of its answers, in which
// next counts from the start of the payload.
func asAnswer(payload []byte) []byte {
	out := append([]byte(nil), payload...)
	for at := 0; at < len(out); {
		size := int(native.Uint32(out[at+specNext:]))
		native.PutUint32(out[at+specNext:], uint32(at+size))
		at += size
	}
	return out
}

func TestTargetsBothWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []Target
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			want = append(want, Target{
				Start: rapid.Uint64().Draw(t, "start"), Length: rapid.Uint64().Draw(t, "length"),
				Type:   rapid.StringMatching(`[a-z-]{1,15}`).Draw(t, "type"),
				Params: rapid.StringMatching(`[ -~]{0,40}`).Draw(t, "params"),
			})
		}
		payload, err := encodeTargets(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeTargets(asAnswer(payload), uint32(len(want)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestEncodeTargetsRefuses(t *testing.T) {
	for _, target := range []Target{
		{Type: ""},
		{Type: "a-type-of-sixteen"},
		{Type: "a\x00b"},
		{Type: "zero", Params: "a\x00b"},
		{Type: "zero", Params: strings.Repeat("x", maxAnswer)},
	} {
		if _, err := encodeTargets([]Target{target}); err == nil {
			t.Errorf("%.20q with %d bytes of parameters was encoded", target.Type, len(target.Params))
		}
	}
}

// listEntry builds an entry as the kernel does; the caller sets next.
func listEntry(dev uint64, name string, event uint32) []byte {
	e := make([]byte, align8(nameListHeader+len(name)+1)+8)
	native.PutUint64(e, dev)
	copy(e[nameListHeader:], name)
	native.PutUint32(e[len(e)-8:], event)
	return e
}

func TestDecodeDevices(t *testing.T) {
	a, b := listEntry(encodeDev(blockdev.DevNo{Major: 253, Minor: 300}), "first", 7), listEntry(encodeDev(blockdev.DevNo{Major: 253}), "b", 0)
	native.PutUint32(a[8:], uint32(len(a)))
	list := append(a, b...)
	got, err := decodeDevices(list, true)
	want := []Listed{
		{Name: devices.KernelName("first"), Dev: blockdev.DevNo{Major: 253, Minor: 300}, EventNr: 7, HasEventNr: true},
		{Name: devices.KernelName("b"), Dev: blockdev.DevNo{Major: 253}, HasEventNr: true},
	}
	if diff := cmp.Diff(want, got, plain); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if got, err := decodeDevices(listEntry(0, "", 0), true); err != nil || len(got) != 0 {
		t.Errorf("no devices: %v, %v", got, err)
	}
	if got, err := decodeDevices(nil, true); err != nil || len(got) != 0 {
		t.Errorf("no bytes: %v, %v", got, err)
	}
	if got, err := decodeDevices(list, false); err != nil || got[0].HasEventNr {
		t.Errorf("an old kernel's list: %v, %v", got, err)
	}
	native.PutUint32(a[8:], 1<<31)
	if _, err := decodeDevices(a, true); err == nil {
		t.Error("a next entry far outside the list was believed")
	}
}

func TestDecodeDepsCount(t *testing.T) {
	payload := make([]byte, 8+16)
	native.PutUint32(payload, 2)
	native.PutUint64(payload[8:], encodeDev(blockdev.DevNo{Major: 8, Minor: 1}))
	native.PutUint64(payload[16:], encodeDev(blockdev.DevNo{Major: 259, Minor: 70000}))
	got, err := decodeDeps(payload)
	if diff := cmp.Diff([]blockdev.DevNo{{Major: 8, Minor: 1}, {Major: 259, Minor: 70000}}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	native.PutUint32(payload, 3)
	if _, err := decodeDeps(payload); err == nil {
		t.Error("a count beyond the answer was believed")
	}
}

func TestEncodeMessage(t *testing.T) {
	got, err := encodeMessage(3, "hi")
	if err != nil || native.Uint64(got) != 3 || string(got[8:]) != "hi\x00" {
		t.Errorf("%x, %v", got, err)
	}
	for _, text := range []string{"", "a\x00b"} {
		if _, err := encodeMessage(0, text); err == nil {
			t.Errorf("message %q was encoded", text)
		}
	}
}

// FuzzAnswer passes any bytes to all decoders: none may panic or return more
// than it got.
func FuzzAnswer(f *testing.F) {
	r := request{name: devices.KernelName("n"), payload: listEntry(1, "dev", 1), targets: 1}
	f.Add(r.encode())
	spec, _ := encodeTargets([]Target{{0, 8, "linear", "8:1 0"}})
	f.Add(request{payload: spec, targets: 1}.encode())
	f.Fuzz(func(t *testing.T, buf []byte) {
		info, payload, err := decode(buf)
		if err != nil {
			return
		}
		if len(payload) > len(buf) {
			t.Fatalf("a payload of %d bytes out of %d", len(payload), len(buf))
		}
		if targets, err := decodeTargets(payload, info.Targets); err == nil && len(targets) != int(info.Targets) {
			t.Fatalf("%d targets of %d", len(targets), info.Targets)
		}
		if devices, err := decodeDevices(payload, true); err == nil && len(devices) > len(payload) {
			t.Fatalf("%d devices in %d bytes", len(devices), len(payload))
		}
		if versions, err := decodeVersions(payload); err == nil && len(versions) > len(payload) {
			t.Fatalf("%d versions in %d bytes", len(versions), len(payload))
		}
		if deps, err := decodeDeps(payload); err == nil && 8*len(deps) > len(payload) {
			t.Fatalf("%d dependencies in %d bytes", len(deps), len(payload))
		}
	})
}
