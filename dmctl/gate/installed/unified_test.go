package installed

import (
	"bytes"
	"crypto/sha256"
	"debug/pe"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree/treetest"
)

// unified is an EFI program with sections, given by name and content.
func unified(t testing.TB, sections ...string) string {
	t.Helper()
	const peAt, lfanew = 0x40, 0x3c
	var b bytes.Buffer
	put := func(v any) {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	b.WriteString("MZ" + strings.Repeat("\x00", lfanew-2))
	put(uint32(peAt))
	b.WriteString("PE\x00\x00")
	count := len(sections) / 2
	put(pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: uint16(count)})
	at := b.Len() + count*binary.Size(pe.SectionHeader32{})
	for i := 0; i < len(sections); i += 2 {
		size := uint32(len(sections[i+1]))
		h := pe.SectionHeader32{VirtualSize: size, SizeOfRawData: size + 3, PointerToRawData: uint32(at)} // padded
		copy(h.Name[:], sections[i])
		put(h)
		at += len(sections[i+1]) + 3
	}
	for i := 1; i < len(sections); i += 2 {
		b.WriteString(sections[i] + "pad")
	}
	return b.String()
}

// An initramfs in a unified kernel image counts as much as a separate one.
func TestUnifiedImages(t *testing.T) {
	const release, place = "6.1.0", "boot/efi/EFI/Linux/debian.efi"
	const onDisk = "lib/modules/6.1.0/kernel/drivers/md/dm-snapshot.ko"
	leaky, good := initrd(t, "amd64-leaky.ko", release), initrd(t, "amd64.ko", release)
	whole := unified(t, ".linux", "x", ".uname", release, ".initrd", leaky)
	for _, test := range []struct {
		name, place, image string
		want               gate.Verdict
		file, rule         string
	}{
		{"leaky", place, whole, gate.Leaky, place, "in its initramfs: usr/lib/modules/6.1.0/"},
		{"leaky, in another place", "efi/EFI/Linux/x.EFI", whole, gate.Leaky, "efi/EFI/Linux/x.EFI", "initramfs"},
		{"leaky, of a release that it does not name", place, unified(t, ".initrd", leaky), gate.Leaky, place, "initramfs"},
		{"leaky, of two", place, unified(t, ".uname", release+"\n", ".initrd", leaky, ".initrd", good), gate.Leaky, place, "initramfs"},
		{"fixed", place, unified(t, ".uname", release, ".initrd", good), gate.Fixed, onDisk, "1.12.0"},
		{"of another kernel", place, unified(t, ".uname", "6.1.0-9", ".initrd", "scrambled"), gate.Fixed, onDisk, "1.12.0"},
		{"no initramfs in it", place, unified(t, ".text", "x"), gate.Fixed, onDisk, "1.12.0"},
		{"another file", "boot/efi/EFI/Linux/README", "x", gate.Fixed, onDisk, "1.12.0"},
		{"scrambled", place, "MZ" + strings.Repeat("x", 200), gate.Unknown, place, "no EFI program"},
		{"no more than the magic", place, "MZ", gate.Unknown, place, "no EFI program"},
		{"cut off in its headers", place, whole[:0x40+4+20+40+1], gate.Unknown, place, "cut off"},
		{"cut off in its first header", place, whole[:0x40+4+5], gate.Unknown, place, "cut off"},
		{"cut off before the release", place, whole[:strings.Index(whole, release)], gate.Unknown, place, "cannot be told"},
		{"cut off before the initramfs", place, whole[:strings.Index(whole, leaky)], gate.Unknown, place, "cut off"},
		{"cut off in the initramfs", place, whole[:len(whole)-200], gate.Unknown, place, "cannot be told"},
	} {
		files := map[string]string{onDisk: "@amd64.ko", test.place: test.image}
		k, err := Judge(treetest.System(t, files), release)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(test.image))); k.Verdict == gate.Leaky && k.FileSHA256 != sum {
			t.Errorf("%s: the hash %s, want %s", test.name, k.FileSHA256, sum)
		}
		if k.Verdict != test.want || k.File != test.file || !strings.Contains(k.Rule, test.rule) {
			t.Errorf("%s: %v, %q (%s); want %v, %q", test.name, k.Verdict, k.File, k.Rule, test.want, test.file)
		}
	}
}

// The firmware may start one anywhere.
func TestUnifiedImageThatTheFirmwareStarts(t *testing.T) {
	const release, place = "6.1.0", "boot/efi/EFI/debian/linux-6.1.0.efi"
	files := map[string]string{
		"lib/modules/6.1.0/kernel/drivers/md/dm-snapshot.ko": "@amd64.ko",
		place: unified(t, ".initrd", initrd(t, "amd64-leaky.ko", release)),
	}
	const variable = "sys/firmware/efi/efivars/%s-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	node := func(kind, sub byte, data string) string {
		return string([]byte{kind, sub, byte(4 + len(data)), 0}) + data
	}
	var path strings.Builder
	for _, c := range `\EFI\debian\linux-6.1.0.efi` + "\x00" {
		path.WriteString(string([]byte{byte(c), 0}))
	}
	nodes := node(4, 4, path.String()) + node(0x7f, 0xff, "")
	files[fmt.Sprintf(variable, "BootOrder")] = "\x07\x00\x00\x00\x00\x00"
	files[fmt.Sprintf(variable, "Boot0000")] = "\x07\x00\x00\x00\x01\x00\x00\x00" + string([]byte{byte(len(nodes)), 0}) + "\x00\x00" + nodes
	m, err := Scan(treetest.System(t, files), "")
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := m.Next(); !ok || k.Verdict != gate.Leaky || k.File != place {
		t.Errorf("%v (%s): %+v", ok, m.NextWhy, k)
	}
}

// Headers of any content: no panic.
func FuzzUnified(f *testing.F) {
	f.Add([]byte("MZ"))
	f.Add([]byte(unified(f, ".uname", "6.1.0", ".initrd", "x")))
	f.Fuzz(func(t *testing.T, image []byte) {
		file, err := fstest.MapFS{"x": {Data: image}}.Open("x")
		if err != nil {
			t.Fatal(err)
		}
		sections, err := unifiedSections(file, ".initrd")
		if err != nil && len(sections) > 0 {
			t.Fatalf("%d sections and %v", len(sections), err)
		}
		for _, s := range sections {
			if _, err := io.Copy(io.Discard, s); err != nil {
				t.Fatal(err)
			}
		}
	})
}
