package output

import (
	"errors"
	"math"
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

func TestFiguresInWords(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1 KiB", 1536: "1.50 KiB",
		20 << 10: "20 KiB", 10<<20 + 1<<19: "10.5 MiB", 1<<40 - 1: "1024 GiB", math.MaxUint64: "16 EiB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
	for _, c := range []struct{ got, want string }{
		{Plural(1, "chunk"), "1 chunk"},
		{Plural(0, "chunk"), "0 chunks"},
		{Plural(uint64(math.MaxUint64), "chunk"), "18446744073709551615 chunks"},
		{Plural(2, "copy", "copies"), "2 copies"},
		{Plural(1, "copy", "copies"), "1 copy"},
		{Plural(-1, "chunk"), "-1 chunks"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// TestNamesInLocales: a terminal that shows no UTF-8 gets none; pictures and
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
