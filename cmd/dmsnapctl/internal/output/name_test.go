package output

import (
	"errors"
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

func TestErrorsStandInOneLine(t *testing.T) {
	if got, want := OneLine(errors.New("a\n\nb\r\nc\x1b")), `a; b; c\x1b`; got != want {
		t.Errorf("%q, want %q", got, want)
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
