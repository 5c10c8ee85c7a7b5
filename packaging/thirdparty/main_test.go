package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The notices match the modules in use.
func TestNoticesAreCurrent(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	want, err := notices()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("THIRD_PARTY.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("THIRD_PARTY.md is not current; make third-party writes it anew")
	}
}

func TestLicences(t *testing.T) {
	for text, want := range map[string]string{
		"Permission is hereby granted,\n free of charge, to any": "MIT",
		"Apache License\n\tVersion 2.0, January 2004":            "Apache-2.0",
		"GNU GENERAL PUBLIC LICENSE Version 2":                   "",
		"":                                                       "",
	} {
		if got := strings.Join(licencesOf(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestAModuleWithoutALicenceIsRefused(t *testing.T) {
	if files, err := licenceFiles(t.TempDir(), nil); err == nil {
		t.Errorf("%v", files)
	}
}

// A package can have terms of its own, and so can a folder above it.
func TestLicencesOfPackages(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"LICENSE", "a/LICENSE.txt", "a/b/COPYING", "a/b/licence.go", "unused/LICENSE"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := licenceFiles(dir, []string{filepath.Join(dir, "a", "b"), dir})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.name)
	}
	if got, want := strings.Join(names, " "), "LICENSE a/LICENSE.txt a/b/COPYING"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
