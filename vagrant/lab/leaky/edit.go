//go:build linux

// The edit that brings the leak back, and its version.

package leaky

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

// edits are made in the sources of the kernel's drivers/md.
//
// The fix (commit 230c83afdd9c, "dm snapshot: avoid snapshot space leak on
// crash") made copy_callback hold a copy back until all that were allocated
// before it are complete. The first edit calls every copy the next one in turn,
// so that each is committed when it finishes, as before the fix.
var edits = []edit{
	{
		file:    "dm-snap.c",
		find:    `if \(pe->exception_sequence == s->exception_complete_sequence\)`,
		replace: "s->exception_complete_sequence = pe->exception_sequence;\n\t${0}",
	},
	{
		file:    "dm-snap.c",
		find:    `(\.name\s*=\s*"snapshot",\s*\.version\s*=\s*)\{[^}]*\}`,
		replace: "${1}{" + strings.ReplaceAll(Version, ".", ", ") + "}",
	},
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
