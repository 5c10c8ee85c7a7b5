//go:build linux

package lab

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/cpio"
)

func TestDiskName(t *testing.T) {
	if a, b := UML.DiskName(0), QEMU.DiskName(2); a != "/dev/ubda" || b != "/dev/vdc" {
		t.Errorf("%s, %s", a, b)
	}
}

func TestMemory(t *testing.T) {
	for want, m := range map[int]Machine{
		DefaultMemoryMiB:     {Kernel: Kernel{Engine: UML}},
		DefaultFullMemoryMiB: {Kernel: Kernel{Engine: QEMU}},
		64:                   {Kernel: Kernel{Engine: QEMU}, MemoryMiB: 64},
	} {
		if got := m.memory(); got != want {
			t.Errorf("%+v: %d MiB, want %d", m, got, want)
		}
	}
}

func TestOneCPUInUML(t *testing.T) {
	_, err := Machine{Kernel: Kernel{Engine: UML}, CPUs: 2}.launch(t.TempDir(), nil)
	if err == nil || !strings.Contains(err.Error(), "has one") {
		t.Errorf("error %v", err)
	}
	if _, err := (Machine{}).launch(t.TempDir(), nil); err == nil {
		t.Error("a kernel without an engine was started")
	}
}

// valueOf returns the word that follows an option.
func valueOf(words []string, option string) string {
	if i := slices.Index(words, option); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

func TestWordsOfQEMU(t *testing.T) {
	m := Machine{Kernel: Kernel{Engine: QEMU, Binary: "/k"}, CPUs: 3, MemoryMiB: 700, Disks: make([]Disk, 1)}
	words := m.qemuWords("/job", "/ramdisk", "/socket", []string{"/a"}, false)
	for option, want := range map[string]string{
		"-smp": "3", "-m": "700", "-accel": "tcg,thread=multi", "-cpu": "max", "-kernel": "/k", "-initrd": "/ramdisk",
		"-drive": "if=none,id=disk0,file=/a,format=raw,cache=unsafe,aio=threads",
	} {
		if got := valueOf(words, option); got != want {
			t.Errorf("%s %s, want %s", option, got, want)
		}
	}
	for _, word := range []string{"DMSNAPCTL_LAB_JOB=/job", "DMSNAPCTL_LAB_SHARE=" + shareTag, "panic=-1", "no_timer_check", "maxcpus=1"} {
		if line := valueOf(words, "-append"); !slices.Contains(strings.Fields(line), word) {
			t.Errorf("the kernel's command line %q has no %s", line, word)
		}
	}
	m.Disks[0].Direct = true
	if got := valueOf(m.qemuWords("/job", "/ramdisk", "/socket", []string{"/a"}, false), "-drive"); !strings.Contains(got, "cache=none") {
		t.Errorf("a disk that goes past the page cache: %s", got)
	}
	words = Machine{Kernel: m.Kernel}.qemuWords("/job", "/ramdisk", "/socket", nil, true)
	if valueOf(words, "-accel") != "kvm" || valueOf(words, "-cpu") != "host" || valueOf(words, "-smp") != "2" {
		t.Errorf("with KVM: %q", words)
	}
}

func TestRamdisk(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name+" content"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var out bytes.Buffer
	err := fillRamdisk(cpio.NewWriter(&out), write("init"), []string{write("b.ko.xz"), write("a.ko")})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"init content", "modules/a.ko\x00", "b.ko.xz content", "/modules/b.ko.xz\n/modules/a.ko", "TRAILER!!!"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the ramdisk has no %q", part)
		}
	}
	if diff := cmp.Diff(0, out.Len()%4); diff != "" {
		t.Error(diff)
	}
	if err := fillRamdisk(cpio.NewWriter(&out), filepath.Join(dir, "absent"), nil); err == nil {
		t.Error("a ramdisk without an init")
	}
}

func TestVirtualises(t *testing.T) {
	for _, test := range []struct {
		cpuinfo string
		want    bool
	}{
		{"processor\t: 0\nflags\t\t: fpu vmx sse\nvmx flags\t: ept\n", true},
		{"processor\t: 0\nflags\t\t: fpu svm\n", true},
		{"processor\t: 0\nflags\t\t: fpu svm_lock hypervisor\nbugs\t\t: vmx\n", false},
		{"", false},
	} {
		if got := virtualises(test.cpuinfo); got != test.want {
			t.Errorf("%q: %v, want %v", test.cpuinfo, got, test.want)
		}
	}
}
