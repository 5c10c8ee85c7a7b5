package manual

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hard is a page with everything that mdoc would misread: a line that begins
// with a dot, words that are macros, hyphens and quotes in commands,
// delimiters.
var hard = Page{
	Name: "prog sub command", Summary: "do it - or not", Arguments: "FILE [NAME] [-- COMMAND ...]", Date: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC),
	Text: `   A first sentence. A second one, which is so long that it does not fit on one line of the source.
   .Xr is no macro here, and C:\temp no escape; it's 'plain'.

   What stays as it is:
      cd $(dirname "$0") && ./run --flag=x | grep '^a'
         .indented

SIZES:
   Bytes. Or more.

EXAMPLES:
   prog -x 'a b' ~/file \
      --long-flag
   .hidden/file

   prog again`,
	Flags: []Flag{
		{Names: []string{"output", "o"}, Value: "FILE", Text: "write to FILE"},
		{Names: []string{"store"}, Value: "PO", Text: "the kind", Default: "P"},
	},
	Groups:  []Group{{Title: "First", Commands: []Command{{"one", "do one thing"}}}, {Commands: []Command{{"two", "do two"}}}},
	Exits:   []Exit{{"0", "fine"}, {"64", "wrong"}},
	SeeAlso: []string{"zz(8)", "aa(8)", "format(5)", "aa(8)", "prog-sub-command(8)"},
}

func TestMdoc(t *testing.T) {
	const golden = "testdata/hard.8"
	got := hard.Mdoc()
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
