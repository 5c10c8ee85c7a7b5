package table

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConcise(t *testing.T) {
	tests := []struct {
		text    string
		want    []Device
		comesAs string // where it differs from text
	}{
		// As dmsetup 1.02.185 prints them.
		{`p\\q,,2,rw,0 8 linear 98:0 0,8 8 zero ;plain,u\,1,3,ro,0 8 zero ;x\;y,,1,rw,0 8 zero ` + "\n", []Device{
			{Name: `p\q`, Minor: "2", Table: Table{{0, 8, Linear{"98:0", 0}}, {8, 8, Zero{}}}},
			{Name: "plain", UUID: "u,1", Minor: "3", ReadOnly: true, Table: Single(8, Zero{})},
			{Name: "x;y", Minor: "1", Table: Single(8, Zero{})},
		}, `p\\q,,2,rw,0 8 linear 98:0 0,8 8 zero;plain,u\,1,3,ro,0 8 zero;x\;y,,1,rw,0 8 zero`},
		{`a\,b,,0,rw`, []Device{{Name: "a,b", Minor: "0"}}, ""},
		// As the kernel's documentation has it.
		{"lroot,,,rw,0 4096 linear 98:16 0,4096 4096 linear 98:32 0", []Device{
			{Name: "lroot", Table: Table{{0, 4096, Linear{"98:16", 0}}, {4096, 4096, Linear{"98:32", 0}}}},
		}, ""},
		{"d,,, , 0 8 zero;\n", []Device{{Name: "d", Table: Single(8, Zero{})}}, "d,,,rw,0 8 zero"},
		{"", nil, ""},
	}
	for _, tt := range tests {
		got, err := ParseConcise(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q: %s", tt.text, diff)
		}
		want := tt.comesAs
		if want == "" {
			want = tt.text
		}
		if s := FormatConcise(got); s != want {
			t.Errorf("%q comes back as %q", tt.text, s)
		}
	}
}

func TestConciseErrors(t *testing.T) {
	tests := []struct {
		text         string
		device, word int
	}{
		{"a", 1, 0},
		{",,,", 1, 1},
		{"a,,,rw,0 8 zero;b,,x,rw", 2, 3},
		{"a,,1048576,rw", 1, 3},
		{"a,,,rx", 1, 4},
		{"a,,,rw,0 8 zero,0 8 linear", 1, 6},
	}
	for _, tt := range tests {
		_, err := ParseConcise(tt.text)
		var bad *SyntaxError
		if !errors.As(err, &bad) || bad.Line != tt.device || bad.Word != tt.word {
			t.Errorf("%q: %v; want device %d, field %d", tt.text, err, tt.device, tt.word)
		}
	}
}

func TestConciseCheck(t *testing.T) {
	tests := []struct {
		device Device
		word   int // 0 for fine
	}{
		{Device{Name: "a"}, 0},
		{Device{Name: "a", Minor: "1048575", Table: Single(8, Zero{})}, 0},
		{Device{Name: "a", Minor: "1048576"}, 3},
		{Device{Name: "a", Minor: "-1"}, 3},
		{Device{Name: "a", Table: Table{{0, 8, Zero{}}, {9, 8, Zero{}}}}, 6},
		{Device{Name: "a", Table: Single(8, Dust{"8:1", 0, 1})}, 5},
	}
	for _, tt := range tests {
		var bad *SyntaxError
		if !errors.As(tt.device.Check(), &bad) {
			bad = &SyntaxError{}
		}
		if bad.Word != tt.word {
			t.Errorf("%+v: %v; want field %d", tt.device, bad, tt.word)
		}
	}
}

func FuzzConcise(f *testing.F) {
	f.Add(`p\\q,,2,rw,0 8 linear 98:0 0,8 8 zero ;plain,u\,1,3,ro,0 8 zero `)
	f.Add("a,,,rw,0 8 snapshot-origin /dev/a\\\\ b")
	f.Add(`a,,,rw,0 8 snapshot-origin /dev/a\\\ `) // a word that ends in a space, at the line's end
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ParseConcise(text)
		if err != nil {
			return
		}
		again, err := ParseConcise(FormatConcise(first))
		if err != nil {
			t.Fatalf("%q became %q: %v", text, FormatConcise(first), err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Fatalf("%q became %q: %s", text, FormatConcise(first), diff)
		}
	})
}
