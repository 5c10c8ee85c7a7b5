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
	if files, err := licenceFiles(t.TempDir()); err == nil {
		t.Errorf("%v", files)
	}
}
