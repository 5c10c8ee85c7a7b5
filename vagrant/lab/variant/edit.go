//go:build linux

// The edits that make a variant of the kernel's own sources.

package variant

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// edit replaces the one place in a file that matches.
type edit struct {
	file    string
	find    string // regular expression
	replace string // as for [regexp.Regexp.ReplaceAllString]
}

// versionEdit makes the target "snapshot" call itself that version.
func versionEdit(version string) edit {
	return edit{
		file:    "dm-snap.c",
		find:    `(\.name\s*=\s*"snapshot",\s*\.version\s*=\s*)\{[^}]*\}`,
		replace: "${1}{" + strings.ReplaceAll(version, ".", ", ") + "}",
	}
}

// apply makes the edit below dir.
func (e edit) apply(dir string) error {
	path := filepath.Join(dir, e.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	edited, err := e.in(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(edited), 0o644)
}

// in makes the edit in text. Sources in which its place is not found exactly
// once are not the ones it was written for.
func (e edit) in(text string) (string, error) {
	find, err := regexp.Compile(e.find)
	if err != nil {
		return "", err
	}
	if n := len(find.FindAllStringIndex(text, -1)); n != 1 {
		return "", fmt.Errorf("%s: the place to edit, %q, is there %d times instead of once; these kernel sources are of another kind",
			e.file, e.find, n)
	}
	return find.ReplaceAllString(text, e.replace), nil
}
