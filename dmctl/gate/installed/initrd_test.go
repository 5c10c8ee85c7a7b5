package installed

import (
	"bytes"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree/treetest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/cpiotest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/packtest"
)

// initrd is an initramfs that starts with microcode, and has a module in it.
func initrd(t *testing.T, module, release string) string {
	t.Helper()
	early := append(cpiotest.Archive("kernel/x86/microcode/AuthenticAMD.bin", "x"), make([]byte, 512)...)
	files := []string{"init", "#!/bin/sh\n"}
	if module != "" {
		data := treetest.Module(t, treetest.Fixture(t, module), release)
		name := "usr/lib/modules/" + release + "/kernel/drivers/md/dm-snapshot.ko" + strings.TrimPrefix(module[strings.Index(module, ".ko"):], ".ko")
		files = append(files, name, string(data))
	}
	return string(append(early, packtest.Packed(t, "zstd", cpiotest.Archive(files...))...))
}

// The initramfs counts as well as the module on disk, and the worse one
// decides.
func TestInitramfs(t *testing.T) {
	const release, place = "6.1.0", "boot/initrd.img-6.1.0"
	const onDisk = "lib/modules/6.1.0/kernel/drivers/md/dm-snapshot.ko"
	good, bad := map[string]string{onDisk: "@amd64.ko"}, map[string]string{onDisk: "@amd64-leaky.ko"}
	var link bytes.Buffer
	cpiotest.Add(&link, "lib/modules/6.1.0/dm-snapshot.ko", "", 0o100644, 2)
	twice := cpiotest.Archive("lib/modules/6.1.0/dm-snapshot.ko", string(treetest.Module(t, treetest.Fixture(t, "amd64.ko"), release)),
		"lib/modules/6.1.0/extra/dm-snapshot.ko", string(treetest.Module(t, treetest.Fixture(t, "amd64-leaky.ko"), release)))
	replaced := append(cpiotest.Archive("lib/modules/6.1.0/dm-snapshot.ko", string(treetest.Module(t, treetest.Fixture(t, "amd64-leaky.ko"), release))),
		cpiotest.Archive("lib/modules/6.1.0/dm-snapshot.ko", string(treetest.Module(t, treetest.Fixture(t, "amd64.ko"), release)))...)
	for _, test := range []struct {
		name  string
		files map[string]string
		want  gate.Verdict
		file  string
		rule  string
	}{
		{"a leaky one in it", treetest.With(good, place, initrd(t, "amd64-leaky.ko.zst", release)), gate.Leaky, place, "in its initramfs: usr/lib/modules/6.1.0/"},
		{"a fixed one in it", treetest.With(good, place, initrd(t, "amd64.ko", release)), gate.Fixed, onDisk, "1.12.0 or newer"},
		{"a fixed one in it, a leaky one on disk", treetest.With(bad, place, initrd(t, "amd64.ko", release)), gate.Leaky, onDisk, "1.11"},
		{"none in it", treetest.With(good, place, initrd(t, "", release)), gate.Fixed, onDisk, "1.12.0 or newer"},
		{"another kernel's in it", treetest.With(good, place, initrd(t, "amd64-leaky.ko", "5.0.0")), gate.Fixed, onDisk, "1.12.0 or newer"},
		{"in no kernel's directory", treetest.With(good, place, string(cpiotest.Archive("modules/dm-snapshot.ko", string(treetest.Module(t, treetest.Fixture(t, "amd64-leaky.ko"), release))))), gate.Leaky, place, "modules/dm-snapshot.ko"},
		{"two in it", treetest.With(good, place, string(twice)), gate.Leaky, place, "extra/dm-snapshot.ko"},
		{"one unpacked over the other", treetest.With(good, place, string(replaced)), gate.Fixed, onDisk, "1.12.0"},
		{"a link in it", treetest.With(good, place, link.String()), gate.Unknown, place, "a link to another file"},
		{"damaged", treetest.With(good, place, "scrambled"), gate.Unknown, place, "not an initramfs"},
		{"cut off", treetest.With(good, place, initrd(t, "amd64.ko", release)[:900]), gate.Unknown, place, "unpacking zstd"},
		{"a damaged module", treetest.With(good, place, string(cpiotest.Archive("lib/modules/6.1.0/dm-snapshot.ko", "x"))), gate.Unknown, place, "not an ELF file"},
		{"leaky on disk, damaged", treetest.With(bad, place, "scrambled"), gate.Leaky, onDisk, "1.11"},
		{"none on disk", map[string]string{"lib/modules/6.1.0/kernel/fs/ext4.ko": "x", place: initrd(t, "amd64.ko", release)}, gate.Fixed, place, "in its initramfs"},
		{"Fedora's place", treetest.With(good, "boot/initramfs-6.1.0.img", initrd(t, "amd64-leaky.ko", release)), gate.Leaky, "boot/initramfs-6.1.0.img", ""},
		{"Arch's place", treetest.With(good, "lib/modules/6.1.0/pkgbase", "linux-lts\n", "boot/initramfs-linux-lts.img", initrd(t, "amd64-leaky.ko", release)), gate.Leaky, "boot/initramfs-linux-lts.img", ""},
		{"kernel-install's place", treetest.With(good, "etc/machine-id", "1234\n", "efi/1234/6.1.0/initrd", initrd(t, "amd64-leaky.ko", release)), gate.Leaky, "efi/1234/6.1.0/initrd", ""},
	} {
		k, err := Judge(treetest.System(t, test.files), release)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if k.Verdict != test.want || k.File != test.file || !strings.Contains(k.Rule, test.rule) {
			t.Errorf("%s: %v by %q (%s), want %v by %q (%s)", test.name, k.Verdict, k.File, k.Rule, test.want, test.file, test.rule)
		}
		if k.Verdict != gate.Unknown && len(k.FileSHA256) != 64 {
			t.Errorf("%s: %v with the hash %q", test.name, k.Verdict, k.FileSHA256)
		}
	}
}

// The file that the boot loader names is read, no matter what its name is.
func TestInitramfsThatTheLoaderNames(t *testing.T) {
	const release = "6.1.0"
	files := map[string]string{
		"lib/modules/6.1.0/kernel/drivers/md/dm-snapshot.ko": "@amd64.ko",
		"boot/vmlinuz-6.1.0": "image",
		"boot/own.img":       initrd(t, "amd64-leaky.ko", release),
		"boot/grub/grub.cfg": "menuentry x {\n linux /vmlinuz-6.1.0\n initrd /own.img\n}\n",
	}
	m, err := Scan(treetest.System(t, files), "")
	if err != nil {
		t.Fatal(err)
	}
	if next, ok := m.Next(); !ok || next.Verdict != gate.Leaky || next.File != "boot/own.img" {
		t.Errorf("%+v, want leaky by boot/own.img", next)
	}
}

// A module of another kernel or machine than its directory's is not judged.
func TestModuleThatDoesNotFit(t *testing.T) {
	image := func(at int, text string) string {
		b := make([]byte, 0x300)
		copy(b[at:], text)
		return string(b)
	}
	for _, test := range []struct {
		name, release, module string
		more                  []string
		want                  gate.Verdict
		rule                  string
	}{
		{"another kernel", "6.1.0", "@amd64.ko=5.10.0", nil, gate.Unknown, "built for kernel 5.10.0"},
		{"its own", "6.1.0-9-amd64", "@amd64.ko", nil, gate.Fixed, ""},
		{"another machine by the name", "6.1.0-9-amd64", "@arm64.ko", nil, gate.Unknown, "another machine: EM_AARCH64"},
		{"another machine by rpm's name", "6.1.0-9.el9.aarch64", "@amd64.ko", nil, gate.Unknown, "another machine: EM_X86_64"},
		{"another machine by the image", "6.1.0", "@amd64.ko", []string{"boot/vmlinuz-6.1.0", image(0x38, "ARM\x64")}, gate.Unknown, "another machine"},
		{"its machine by the image", "6.1.0", "@386.ko", []string{"boot/vmlinuz-6.1.0", image(0x202, "HdrS")}, gate.Fixed, ""},
		{"another machine by another module", "6.1.0", "@s390x.ko", []string{"lib/modules/6.1.0/kernel/dm-mod.ko", "@amd64-none.ko",
			"lib/modules/6.1.0/modules.dep", "kernel/dm-mod.ko:\nkernel/drivers/md/dm-snapshot.ko: kernel/dm-mod.ko\n"}, gate.Unknown, "another machine"},
	} {
		files := treetest.With(map[string]string{"lib/modules/" + test.release + "/kernel/drivers/md/dm-snapshot.ko": test.module}, test.more...)
		k, err := Judge(treetest.System(t, files), test.release)
		if err != nil || k.Verdict != test.want || !strings.Contains(k.Rule, test.rule) {
			t.Errorf("%s: %v (%s), %v, want %v (%s)", test.name, k.Verdict, k.Rule, err, test.want, test.rule)
		}
	}
}
