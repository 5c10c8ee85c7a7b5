package snaptab

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestParse(t *testing.T) {
	const tab = `# name origin store options
snap   /dev/vg/root   /dev/vg/root-cow

 odd\040name  UUID=1234-abcd  LABEL=my\040store  nofail,timeout=90s # a comment
vm1	/srv/base.img	/var/lib/vm1.cow	clone,noauto
last /dev/a/../b /dev/c no-overflow,defaults
`
	want := []Entry{
		{Line: 2, Name: "snap", Origin: "/dev/vg/root", Store: "/dev/vg/root-cow"},
		{Line: 4, Name: "odd name", Origin: "/dev/disk/by-uuid/1234-abcd", Store: `/dev/disk/by-label/my\x20store`, NoFail: true, Timeout: "90s"},
		{Line: 5, Name: "vm1", Origin: "/srv/base.img", Store: "/var/lib/vm1.cow", Clone: true, NoAuto: true},
		{Line: 6, Name: "last", Origin: "/dev/b", Store: "/dev/c", NoOverflow: true},
	}
	got, wrong := Parse(strings.NewReader(tab))
	if len(wrong) > 0 {
		t.Errorf("wrong: %v", wrong)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The example of the manual page is a table without mistakes.
func TestExampleOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../../../packaging/man/dmsnaptab.5")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "\n.Sh EXAMPLES\n")
	_, text, _ = strings.Cut(text, ".Bd -literal -offset indent\n")
	text, _, _ = strings.Cut(text, ".Ed")
	got, wrong := Parse(strings.NewReader(strings.ReplaceAll(text, `\-`, "-")))
	want := []Entry{
		{Line: 2, Name: "before", Origin: "/dev/vg/data", Store: "/dev/vg/data-cow", NoFail: true},
		{Line: 3, Name: "vm1", Origin: "/srv/base.img", Store: "/var/lib/vm1.cow", Clone: true, NoAuto: true},
	}
	if diff := cmp.Diff(want, got); diff != "" || len(wrong) > 0 {
		t.Errorf("%v; -want +got:\n%s", wrong, diff)
	}
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ line, why string }{
		{"snap", "1 field"},
		{"snap /dev/a /dev/b - more", "5 fields"},
		{"a/b /dev/a /dev/b", "name of a device"},
		{".. /dev/a /dev/b", "name of a device"},
		{"-x /dev/a /dev/b", "begins with a hyphen"},
		{`\055x /dev/a /dev/b`, "begins with a hyphen"},
		{"snap a /dev/b", "not an absolute path"},
		{"snap /dev/a b", "not an absolute path"},
		{"snap /dev/a /srv/b", "need the option clone"},
		{"snap /dev/a /dev/a", "the same"},
		{"snap UUID= /dev/b", "does not name a device"},
		{"snap LABEL=../../etc /dev/b", "does not name a device"},
		{`snap\012 /dev/a /dev/b`, "control character"},
		{"snap /dev/a /dev/b force", `unknown option "force"`},
		{"snap /dev/a /dev/b nofail=yes", "unknown option"},
		{"snap /dev/a /dev/b timeout=soon", "unknown option"},
		{"good /dev/c /dev/d", "already stands in line 1"},
		{strings.Repeat("x", maxLine+1), "too long"},
	} {
		got, wrong := Parse(strings.NewReader("good /dev/a /dev/b\n" + c.line + "\n"))
		if len(got) != 1 || got[0].Line != 1 || len(wrong) != 1 || !strings.HasPrefix(wrong[0].Error(), "line 2: ") || !strings.Contains(wrong[0].Error(), c.why) {
			t.Errorf("%.60q: %v and %v, want the good line and %q", c.line, got, wrong, c.why)
		}
	}
}

func TestUnits(t *testing.T) {
	const golden = "testdata/units"
	entries, wrong := Parse(strings.NewReader(`snap /dev/vg/root /dev/vg/root-cow
vm\0401 /srv/100%\040"$HOME".img /var/lib/vm1.cow clone,nofail,timeout=5min
later /dev/vdb /dev/vdc noauto,no-overflow
`))
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	var b strings.Builder
	for _, e := range entries {
		for _, f := range e.Files("/usr/sbin/dmsnapctl", "/etc/dmsnaptab") {
			b.WriteString("== " + f.Path)
			if f.Link != "" {
				b.WriteString(" -> " + f.Link)
			}
			b.WriteString("\n" + f.Content)
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A unit with its own mounts would hide which file systems its loop devices keep
// in use. These settings of systemd.exec(5) give a unit its own.
func TestUnitsHaveTheMountsOfTheHost(t *testing.T) {
	unit := Entry{Name: "vm", Origin: "/srv/base.img", Store: "/srv/vm.cow", Clone: true}.Files("/usr/sbin/dmsnapctl", "/etc/dmsnaptab")[0].Content
	if !strings.Contains(unit, "\nPrivateMounts=no\n") {
		t.Error("PrivateNetwork= gives it its own mounts since systemd 254")
	}
	for _, setting := range []string{"ProtectSystem=", "ProtectHome=", "ProtectKernel", "ProtectControlGroups=", "ProtectProc=", "PrivateTmp=",
		"PrivateDevices=", "ReadWritePaths=", "ReadOnlyPaths=", "InaccessiblePaths=", "TemporaryFileSystem=", "MountFlags="} {
		if strings.Contains(unit, "\n"+setting) {
			t.Errorf("%s gives the unit its own mounts", setting)
		}
	}
}

// TestUnitNames compares the escapes with the output of systemd-escape(1).
func TestUnitNames(t *testing.T) {
	for in, want := range map[string]string{
		"/dev/mapper/a-b":   `dev-mapper-a\x2db`,
		"/":                 "-",
		"//dev//x/":         "dev-x",
		"/.hidden":          `\x2ehidden`,
		`/dev/disk/a\x20b`:  `dev-disk-a\x5cx20b`,
		"/dev/mapper/a:b_c": "dev-mapper-a:b_c",
		"/dev/ü":            `dev-\xc3\xbc`,
	} {
		if got := pathName(in); got != want {
			t.Errorf("pathName(%q) = %q, want %q", in, got, want)
		}
	}
}
