package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGenerator(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	generate := func(name string, flags ...string) (int, string) {
		var complaint bytes.Buffer
		args := append([]string{"dmsnapctl", "systemd-generator", filepath.Join(dir, name), "early", "late"}, flags...)
		return run(context.Background(), args, streams{out: &bytes.Buffer{}, err: &complaint}), complaint.String()
	}
	tab := file("tab", "wrong\nsnap /dev/a /dev/b\n")
	quiet := file("cmdline", "root=/dev/sda1 quiet")
	// A wrong line is reported and affects only its own entry.
	code, said := generate("units", "--tab", tab, "--cmdline", quiet)
	if code != exitUnknown || !strings.Contains(said, "line 1: 1 field") {
		t.Errorf("exit code %d and %q, want %d and what is wrong with line 1", code, said, exitUnknown)
	}
	link := filepath.Join(dir, "units/local-fs.target.wants/dmsnapctl-activate@snap.service")
	if unit, err := os.ReadFile(link); err != nil || !strings.Contains(string(unit), " activate snap --origin /dev/a --cow /dev/b ") {
		t.Errorf("%v: the unit is %q", err, unit)
	}
	// A link in the place of a unit is not followed.
	keep := file("keep", "precious")
	if err := os.Mkdir(filepath.Join(dir, "planted"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(keep, filepath.Join(dir, "planted/dmsnapctl-activate@snap.service")); err != nil {
		t.Fatal(err)
	}
	code, said = generate("planted", "--tab", tab, "--cmdline", quiet)
	if content, err := os.ReadFile(keep); err != nil || string(content) != "precious" || code != exitUsage || !strings.Contains(said, "is a link") {
		t.Errorf("through a link: exit code %d, %q; the file: %q, %v", code, said, content, err)
	}
	for name, flags := range map[string][]string{
		"no-table": {"--tab", filepath.Join(dir, "none"), "--cmdline", quiet},
		"told-not": {"--tab", tab, "--cmdline", file("no", "dmsnaptab=no quiet\n")},
	} {
		if code, said := generate(name, flags...); code != exitFine || said != "" {
			t.Errorf("%s: exit code %d, %q", name, code, said)
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s: units were written", name)
		}
	}
}
