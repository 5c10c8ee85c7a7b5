package devices

import (
	"errors"
	"strings"
	"testing"
)

func TestNewName(t *testing.T) {
	tests := []struct{ in, want string }{
		{"vg-snap", "vg-snap"},
		{"a b", `a\x20b`},
		{`a\x20b`, `a\x20b`},
		{`a\b`, `a\x5cb`},
		{"ü", `\xc3\xbc`},
		{"#+-.:=@_9Z", "#+-.:=@_9Z"},
		{strings.Repeat("n", 127), strings.Repeat("n", 127)},
	}
	for _, tt := range tests {
		got, err := newName(tt.in)
		if err != nil || got.String() != tt.want {
			t.Errorf("newName(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{"", "a/b", "a\x00", ".", "..", "control", strings.Repeat("n", 128), strings.Repeat(" ", 32)} {
		if got, err := newName(in); !errors.Is(err, ErrName) {
			t.Errorf("newName(%q) = %q, %v", in, got, err)
		}
	}
}

func TestUUIDOf(t *testing.T) {
	if u, err := UUIDOf(strings.Repeat("D", 128)); err != nil || len(u.String()) != 128 {
		t.Errorf("128 bytes: %v", err)
	}
	for _, in := range []string{"", "a b", strings.Repeat("D", 129)} {
		if _, err := UUIDOf(in); !errors.Is(err, ErrName) {
			t.Errorf("UUIDOf(%q): %v", in, err)
		}
	}
}
