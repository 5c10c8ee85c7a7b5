//go:build linux

// The edits that turn the kernel's own sources into a variant.

package variant

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// edit replaces the only match in a file.
type edit struct {
	file    string
	find    string // regular expression
	replace string // as for [regexp.Regexp.ReplaceAllString]
}

// versionEdit gives the target "snapshot" this version.
func versionEdit(version string) edit {
	return edit{
		file:    "dm-snap.c",
		find:    `(\.name\s*=\s*"snapshot",\s*\.version\s*=\s*)\{[^}]*\}`,
		replace: "${1}{" + strings.ReplaceAll(version, ".", ", ") + "}",
	}
}

// apply applies the edit below dir.
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

// in applies the edit to text. If the place to edit is not there exactly once,
// the sources are not those that the edit was written for.
func (e edit) in(text string) (string, error) {
	find, err := regexp.Compile(e.find)
	if err != nil {
		return "", err
	}
	if n := len(find.FindAllStringIndex(text, -1)); n != 1 {
		return "", fmt.Errorf("%s: %q matches %s instead of once: the edit does not fit these kernel sources",
			e.file, e.find, count.Of(n, "time"))
	}
	return find.ReplaceAllString(text, e.replace), nil
}
