package output

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestNamesCommandNothing(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	for name, want := range map[string]string{
		"vg-snap":            "vg-snap",
		"späte Züge 漢 \\x41": "späte Züge 漢 \\x41",
		"a\nb\tc\r":          `a\nb\tc\r`,
		"\x1b[31m":           `\x1b[31m`,
		"\u009b31m":          `\u009b31m`, // a C1 byte, as UTF-8
		"\x9b31m":            `\x9b31m`,   // and as such
		"\x7f":               `\x7f`,
		"a\u202eb\u2066":     `a\u202eb\u2066`,
		"\u2028\ufeff":       `\u2028\ufeff`,
		"\xff\xef":           `\xff\xef`,
		"real \ufffd":        "real \ufffd",
		"\U000e0001":         `\U000e0001`,
	} {
		if got := Name(name); got != want {
			t.Errorf("Name(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestErrorsStandInOneLine: a newline in a name does not look like the end of
// an error.
func TestErrorsStandInOneLine(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	a, b := errors.New("a"), errors.New("b\x1b")
	gone := &fs.PathError{Op: "stat", Path: "gone\nnext: rm -rf", Err: fs.ErrNotExist}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{a, "a"},
		{gone, `stat gone\nnext: rm -rf: file does not exist`},
		{errors.New("a\r\nb"), `a\r\nb`},
		{errors.Join(a, b), `a; b\x1b`},
		{errors.Join(a, nil, errors.Join(b, gone)), `a; b\x1b; stat gone\nnext: rm -rf: file does not exist`},
		{fmt.Errorf("verify x\ny: %w", errors.Join(a, b)), `verify x\ny: a; b\x1b`},
		{fmt.Errorf("%w (%w)", errors.Join(a, b), gone), `a; b\x1b (stat gone\nnext: rm -rf: file does not exist)`},
		{fmt.Errorf("one: %w", fmt.Errorf("two: %w", errors.Join(a, b))), `one: two: a; b\x1b`},
	} {
		if got := OneLine(tt.err); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.err, got, tt.want)
		}
	}
}

// TestNamesInLocales: a terminal that shows no UTF-8 gets none. Pictures and
// pages are UTF-8 everywhere.
func TestNamesInLocales(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	if got := Name("späte \x1b"); got != `sp\u00e4te \x1b` {
		t.Errorf("%q", got)
	}
	if got := Text("späte \x1b"); got != `späte \x1b` {
		t.Errorf("%q", got)
	}
}
