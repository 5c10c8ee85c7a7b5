//go:build linux

package packaging

import (
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// noticed returns the modules of THIRD_PARTY.md with the names of their licences.
func noticed(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../THIRD_PARTY.md")
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string][]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\S.*?) \| .* \| (.*) \|$`).FindAllStringSubmatch(string(text), -1) {
		if row[1] != "module" {
			modules[row[1]] = strings.Split(row[2], ", ")
		}
	}
	if len(modules) < 10 {
		t.Fatalf("%d modules: some are not found any more", len(modules))
	}
	return modules
}

// The copyright file has a paragraph for each module in the program, with its
// owners, its licences and their texts.
func TestCopyright(t *testing.T) {
	out, err := exec.Command("./copyright.sh", "../LICENSE", "../THIRD_PARTY.md").Output()
	if err != nil {
		t.Fatal(err)
	}
	paragraphs := map[string]string{}
	for _, p := range strings.Split(string(out), "\n\n") {
		files, _, _ := strings.Cut(p, "\n")
		paragraphs[strings.TrimPrefix(files, "Files: ")] = p
	}
	for module, licences := range noticed(t) {
		files := "vendor/" + module + "/*"
		if module == "Go standard library" {
			files = "go/src/*"
		}
		want := "\nLicense: " + strings.ReplaceAll(strings.Join(licences, " and "), "MIT", "Expat") + "\n "
		p := paragraphs[files]
		if !strings.Contains(p, want) || !regexp.MustCompile(`(?m)^Copyright: \S`).MatchString(p) {
			t.Errorf("%s: no paragraph with %q:\n%.300s", files, want, p)
		}
		// Debian has the text of the Apache licence; all others must be here.
		if n := strings.Count(p, "\n"); n < 15 {
			t.Errorf("%s: %d lines cannot have the text of a licence", files, n)
		}
	}
	if !strings.Contains(paragraphs["*"], "License: Expat\n Permission is hereby granted") {
		t.Errorf("the program's own licence is not there:\n%s", paragraphs["*"])
	}
	if strings.Contains(string(out), "END OF TERMS AND CONDITIONS") {
		t.Error("it has the text of the Apache licence, which Debian wants to be named only")
	}
}

// The .rpm names the licences of all modules.
func TestLicenceOfTheRPM(t *testing.T) {
	text, err := os.ReadFile("nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^license: (.*)$`).FindSubmatch(text)
	if m == nil {
		t.Fatal("nfpm.yaml names no licence")
	}
	named := strings.Split(string(m[1]), " AND ")
	want := map[string]bool{"MIT": true}
	for _, licences := range noticed(t) {
		for _, l := range licences {
			want[l] = true
		}
	}
	for _, l := range named {
		if !want[l] {
			t.Errorf("nfpm.yaml names %s, which no module has", l)
		}
		delete(want, l)
	}
	for l := range want {
		t.Errorf("nfpm.yaml does not name %s", l)
	}
}

// make install puts everything below DESTDIR and PREFIX, and files name each other
// where they will be: below PREFIX, without DESTDIR.
func TestInstallBelowAPrefix(t *testing.T) {
	dest := t.TempDir()
	program := filepath.Join(t.TempDir(), "program") // it writes one manual page
	script := "#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" != --dir ] || echo .Dd today >\"$2/dmsnapctl.8\"; shift; done\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("./stage.sh", program, program, dest, "/usr/local").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, path := range []string{
		"sbin/dmsnapctl", "share/man/man8/dmsnapctl.8.gz", "share/man/man5/dmsnaptab.5.gz",
		"share/bash-completion/completions/dmsnapctl", "lib/systemd/system/dmsnapctl-monitor.service",
		"lib/systemd/system-generators/dmsnaptab-generator", "share/doc/dmsnapctl/copyright", "share/doc/dmsnapctl/THIRD_PARTY.md",
	} {
		if _, err := os.Stat(filepath.Join(dest, "usr/local", path)); err != nil {
			t.Error(err)
		}
	}
	// These name the program or one another.
	for path, want := range map[string]string{
		"lib/systemd/system/dmsnapctl-recover.service":                           "=/usr/local/sbin/dmsnapctl recover",
		"lib/systemd/system-generators/dmsnaptab-generator":                      "exec /usr/local/sbin/dmsnapctl ",
		"share/man/man5/dmsnaptab.5.gz":                                          ".It Pa /usr/local/lib/systemd/system-generators/",
		"share/doc/dmsnapctl/examples/nagios/dmsnapctl.cfg":                      " /usr/local/sbin/dmsnapctl status",
		"share/doc/dmsnapctl/examples/nagios/dmsnapctl-icinga2.conf":             "\"/usr/local/sbin/dmsnapctl\"",
		"share/doc/dmsnapctl/examples/ansible/roles/dmsnapctl/defaults/main.yml": ": /usr/local/sbin/dmsnapctl",
		"share/doc/dmsnapctl/docs/fleet.md":                                      "`/usr/local/share/doc/dmsnapctl/examples`",
	} {
		if text := unpackedText(t, filepath.Join(dest, "usr/local", path)); !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%.400s", path, want, text)
		}
	}
	fleet := unpackedText(t, filepath.Join(dest, "usr/local/share/doc/dmsnapctl/docs/fleet.md"))
	if strings.Contains(fleet, "packaging/fleet") {
		t.Error("the installed fleet.md names files of the source tree")
	}
	named := regexp.MustCompile(`/usr/local(/share/doc/dmsnapctl/examples/[a-z]\S+\.yml)`).FindAllStringSubmatch(fleet, -1)
	if len(named) < 3 {
		t.Errorf("the installed fleet.md names %v: some are not found any more", named)
	}
	for _, path := range named {
		if _, err := os.Stat(filepath.Join(dest, "usr/local", path[1])); err != nil {
			t.Error(err)
		}
	}
	elsewhere := regexp.MustCompile(regexp.QuoteMeta(dest) + `|/usr/(sbin/dmsnapctl|share/doc/dmsnapctl|lib/systemd/system)`)
	err := filepath.WalkDir(dest, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if below, _ := filepath.Rel(dest, path); !strings.HasPrefix(below, "usr/local/") {
			t.Errorf("%s is not below the prefix", below)
		}
		if found := elsewhere.FindString(unpackedText(t, path)); found != "" {
			t.Errorf("%s names %s", path, found)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// unpackedText is the text of a file, which may be packed with gzip.
func unpackedText(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A release that is not made leaves the last one as it is.
func TestAReleaseThatFailsKeepsTheLast(t *testing.T) {
	out := filepath.Join(t.TempDir(), "dist")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out+"/SHA256SUMS", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command("./release.sh", "", out).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 64 {
		t.Errorf("without a version: %v\n%s", err, said)
	}
	if left, _ := filepath.Glob(out + "*/*"); len(left) != 1 || left[0] != out+"/SHA256SUMS" {
		t.Errorf("these files are left: %v", left)
	}
}

// Removal disables the units also where systemd does not run.
func TestRemovalDisablesUnits(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(bin+"/systemctl", []byte("#!/bin/sh\necho \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for how, want := range map[string]bool{"remove": true, "0": true, "upgrade": false, "1": false} {
		cmd := exec.Command("/bin/sh", "scripts/preremove.sh", how)
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		said := strings.ReplaceAll(string(out), " --now", "")
		if err != nil || want != (said == "disable dmsnapctl-monitor.service dmsnapctl-check.timer dmsnapctl-recover.service\n") || !want && said != "" {
			t.Errorf("%s: %v, systemctl %q", how, err, said)
		}
	}
}

// A version is cut once. A pre-release is another version than its release, and dots
// in versions are dots.
func TestCutChangelog(t *testing.T) {
	const before, after = "# Changelog\n\n## Unreleased\n\n", "- news\n\n## 1.2.2 - 2026-01-01\n\n- old\n"
	for _, test := range []struct{ version, there, want string }{
		{"1.2.3", "", "## 1.2.3 - 2026-11-26\n\n"},
		{"", "", ""},
		{"1.2.3", "## 1.2.3 - 2026-11-20\n\n", "## 1.2.3 - 2026-11-20\n\n"},
		{"1.2.3", "## 1.2.3\n\n", "## 1.2.3\n\n"},
		{"1.2.3-rc1", "## 1.2.3-rc1 - 2026-11-20\n\n", "## 1.2.3-rc1 - 2026-11-20\n\n"},
		{"1.2.3", "## 1.2.3-rc1 - 2026-11-20\n\n", "## 1.2.3 - 2026-11-26\n\n## 1.2.3-rc1 - 2026-11-20\n\n"},
		{"1.2.3-rc1", "## 1.2.3-rc10 - 2026-11-20\n\n", "## 1.2.3-rc1 - 2026-11-26\n\n## 1.2.3-rc10 - 2026-11-20\n\n"},
		{"1.2.3", "## 1x2.3 - 2026-11-20\n\n", "## 1.2.3 - 2026-11-26\n\n## 1x2.3 - 2026-11-20\n\n"},
	} {
		cut := exec.Command("./cut-changelog.sh", test.version, "2026-11-26")
		cut.Stdin = strings.NewReader(before + test.there + after)
		out, err := cut.Output()
		if got, want := string(out), before+test.want+after; err != nil || got != want {
			t.Errorf("%s over %q: %v\n%s, want\n%s", test.version, test.there, err, got, want)
		}
	}
}

// Exit code 3 of the daily check is no success for systemd: it may be that of a leaky
// kernel whose result could not be written.
func TestCheckUnitFailsUnlessFixed(t *testing.T) {
	text, err := os.ReadFile("systemd/dmsnapctl-check.service")
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`(?m)^(SuccessExitStatus=.*|ExecStart=-.*)$`).FindString(string(text)); m != "" {
		t.Errorf("the unit has %q: only exit code 0 may be a success", m)
	}
}
