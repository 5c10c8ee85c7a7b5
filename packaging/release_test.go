//go:build packages && linux

package packaging

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// machines are the architectures of a release: their names in .deb and .rpm,
// and what their programs report.
var machines = []struct {
	deb, rpm string
	elf      elf.Machine
	class    elf.Class
}{
	{"amd64", "x86_64", elf.EM_X86_64, elf.ELFCLASS64},
	{"arm64", "aarch64", elf.EM_AARCH64, elf.ELFCLASS64},
	{"armhf", "armv7hl", elf.EM_ARM, elf.ELFCLASS32},
	{"i386", "i386", elf.EM_386, elf.ELFCLASS32},
	{"riscv64", "riscv64", elf.EM_RISCV, elf.ELFCLASS64},
	{"ppc64el", "ppc64le", elf.EM_PPC64, elf.ELFCLASS64},
	{"s390x", "s390x", elf.EM_S390, elf.ELFCLASS64},
}

// A release has packages for all architectures, with static, stripped programs
// for exactly these, accepted by lintian. It has a bill of materials and the
// checksums of all files. A second build gives the same files.
func TestRelease(t *testing.T) {
	need(t, "lintian", "rpm")
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	must(t, "./release.sh", testVersion, one)
	checkSums(t, one)
	checkBill(t, filepath.Join(one, "dmsnapctl_"+testVersion+".cdx.json"))
	for _, m := range machines {
		t.Run(m.deb, func(t *testing.T) {
			deb := filepath.Join(one, "dmsnapctl_"+testVersion+"-1_"+m.deb+".deb")
			checkProgram(t, deb, m.elf, m.class)
			if said := must(t, "lintian", "--allow-root", deb); said != "" {
				t.Errorf("lintian: %s", said)
			}
			rpm := filepath.Join(one, "dmsnapctl-"+testVersion+"-1."+m.rpm+".rpm")
			if arch := must(t, "rpm", "-qp", "--nosignature", "--qf", "%{ARCH}", rpm); arch != m.rpm {
				t.Errorf("the .rpm is for %s, want %s", arch, m.rpm)
			}
		})
	}
	must(t, "./release.sh", testVersion, two)
	if diff := cmp.Diff(must(t, "cat", one+"/SHA256SUMS"), must(t, "cat", two+"/SHA256SUMS")); diff != "" {
		t.Errorf("the second release (-first +second):\n%s", diff)
	}
}

// The files of a pre-release are named as its tag, and its packages come before
// those of the release.
func TestPreRelease(t *testing.T) {
	need(t, "lintian", "rpm")
	dir := filepath.Join(t.TempDir(), "dist")
	must(t, "./release.sh", "0.9.0-rc1", dir, "amd64")
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	want := []string{"CHANGELOG.md", "SHA256SUMS", "dmsnapctl-0.9.0-rc1-1.x86_64.rpm", "dmsnapctl_0.9.0-rc1-1_amd64.deb", "dmsnapctl_0.9.0-rc1.cdx.json"}
	if !slices.Equal(names, want) {
		t.Errorf("files %v, want %v", names, want)
	}
	deb := filepath.Join(dir, "dmsnapctl_0.9.0-rc1-1_amd64.deb")
	version := strings.TrimSpace(must(t, "dpkg-deb", "-f", deb, "Version"))
	must(t, "dpkg", "--compare-versions", version, "lt", "0.9.0-1")
	if rpm := must(t, "rpm", "-qp", "--nosignature", "--qf", "%{VERSION}", filepath.Join(dir, "dmsnapctl-0.9.0-rc1-1.x86_64.rpm")); version != "0.9.0~rc1-1" || rpm != "0.9.0~rc1" {
		t.Errorf("versions %s and %s", version, rpm)
	}
	if said := must(t, "lintian", "--allow-root", deb); said != "" {
		t.Errorf("lintian: %s", said)
	}
	if said := must(t, "cat", dir+"/CHANGELOG.md"); !strings.Contains(said, "\n## 0.9.0-rc1 - ") {
		t.Error("the changelog has no section of the pre-release")
	}
}

func checkSums(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.Command("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("checksums: %v\n%s", err, out)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	sums := must(t, "cat", filepath.Join(dir, "SHA256SUMS"))
	for _, f := range files {
		if f.Name() != "SHA256SUMS" && !strings.Contains(sums, "  "+f.Name()+"\n") {
			t.Errorf("%s has no checksum", f.Name())
		}
	}
	if want := 2*len(machines) + 2; strings.Count(sums, "\n") != want {
		t.Errorf("%d checksums, want %d:\n%s", strings.Count(sums, "\n"), want, sums)
	}
}

// checkBill compares the bill of materials with the modules in a program.
func checkBill(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		Format     string `json:"bomFormat"`
		Components []struct {
			Name, Version string
			Licenses      []any
			Evidence      struct{ Licenses []any }
		}
	}
	if err := json.Unmarshal(text, &bill); err != nil || bill.Format != "CycloneDX" {
		t.Fatalf("no bill of materials in CycloneDX: %v, %q", err, bill.Format)
	}
	listed := map[string]bool{}
	for _, c := range bill.Components {
		listed[c.Name+" "+c.Version] = true
		// Of Go's library the tool knows no licence; THIRD_PARTY.md has it.
		if c.Name != "std" && len(c.Licenses)+len(c.Evidence.Licenses) == 0 {
			t.Errorf("%s is listed without a licence", c.Name)
		}
	}
	program := filepath.Join(unpacked(t), "usr/sbin/dmsnapctl")
	builder := strings.Fields(must(t, "go", "version", program)) // PROGRAM: VERSION
	if std := "std " + builder[len(builder)-1]; !listed[std] {
		t.Errorf("%s is in the program, and not in the bill", std)
	}
	modules := 0
	for line := range strings.Lines(must(t, "go", "version", "-m", program)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "dep" {
			modules++
			if !listed[f[1]+" "+f[2]] {
				t.Errorf("%s %s is in the program, and not in the bill", f[1], f[2])
			}
		}
	}
	if modules == 0 {
		t.Error("the program tells of no module")
	}
}

// checkProgram checks the program in a package.
func checkProgram(t *testing.T, deb string, machine elf.Machine, class elf.Class) {
	t.Helper()
	out, err := exec.Command("sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/sbin/dmsnapctl`, "sh", deb).Output()
	if err != nil {
		t.Fatalf("unpack %s: %v", deb, err)
	}
	f, err := elf.NewFile(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	if f.Machine != machine || f.Class != class {
		t.Errorf("the program is for %v, %v", f.Machine, f.Class)
	}
	for _, section := range []string{".symtab", ".debug_info", ".zdebug_info", ".interp"} {
		if f.Section(section) != nil {
			t.Errorf("the program has a section %s: it is not stripped, or not static", section)
		}
	}
}
