//go:build linux

package packaging

import (
	"os"
	"os/exec"
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
