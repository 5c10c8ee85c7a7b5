// The list of JSON fields in docs/cli.md, compared with the types that are
// printed.

package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

var updateFields = flag.Bool("update-fields", false, "write the list of JSON fields into docs/cli.md")

// JSON that is written piece by piece has no type in the program.
// TestStreamedJSON compares these types with what the program writes.
type (
	deltaObject struct {
		streamed
		Ranges []struct {
			Offset int64 `json:"offset"`
			Length int64 `json:"length"`
		} `json:"ranges"`
		Bytes    int64 `json:"bytes"`
		Complete bool  `json:"complete"`
	}
	extractObject struct {
		extractJSON
		Certain   []image.Span `json:"certain"`
		Uncertain []image.Span `json:"uncertain"`
	}
	lintObject struct {
		streamed
		Problems []problemJSON `json:"problems"`
		Error    string        `json:"error,omitempty"`
	}
	dumpLine struct {
		Area  uint64 `json:"area"`
		Slot  uint64 `json:"slot"`
		Old   uint64 `json:"old"`
		New   uint64 `json:"new"`
		Stale bool   `json:"stale,omitempty"`
	}
)

// jsonObjects has each object that a command prints, in the order of the list. The
// title begins with the commands that print it: commandsIn reads it.
var jsonObjects = []struct {
	title string
	value any
}{
	{"check: one kernel", checkOne{}},
	{"check: several kernels", checkList{}},
	{"check --format facts", checkFacts{}},
	{"verify, map", judged{}},
	{"size", sizeJSON{}},
	{"delta", deltaObject{}},
	{"extract", extractObject{}},
	{"mount", mountJSON{}},
	{"dump: the first line", mend.DumpHeader{}},
	{"dump: each line after it", dumpLine{}},
	{"rescue", rescueJSON{}},
	{"status, list", snapshotsJSON{}},
	{"monitor: each line", eventJSON{}},
	{"create, clone, reset, remove, activate, merge, grow, rename, suspend, resume, recover, repair, reclaim, apply, revalidate, restore, with-snapshot --dry-run, crash record --dry-run", planJSON{}},
	{"table linear, striped, zero, error, delay, flakey, dust, log-writes, snapshot-origin, snapshot, snapshot-merge", tableJSON{}},
	{"table lint", lintObject{}},
	{"table concise", conciseJSON{}},
	{"with-snapshot", withSnapshotJSON{}},
	{"crash record", recordJSON{}},
	{"crash mark", crashMarkJSON{}},
	{"crash explore, combine", explored{}},
	{"crash state", crashStateJSON{}},
	{"crash simulate", simulationJSON{}},
	{"crash simulate --rates", ratesJSON{}},
	{anyCommand + ": an error", errorJSON{}},
}

// anyCommand stands for all commands in a title.
const anyCommand = "any command"

// commandsIn returns the commands that a title names: those before a colon,
// without their flags. One may leave out the group of the one before it.
func commandsIn(title string, known map[string]bool) (names []string) {
	title, _, _ = strings.Cut(title, ":")
	group := ""
	for _, name := range strings.Split(title, ", ") {
		name, _, _ = strings.Cut(name, " --")
		if !known[name] && known[group+name] {
			name = group + name
		}
		if i := strings.LastIndex(name, " "); i >= 0 {
			group = name[:i+1]
		}
		names = append(names, name)
	}
	return names
}

// silent are the commands that print no JSON object but that of an error.
var silent = []string{"manual", "complete", "systemd-generator"}

// Titles name commands that exist, and each command has its object.
func TestJSONObjectsHaveCommands(t *testing.T) {
	known, left := map[string]bool{anyCommand: true}, make(map[string]bool)
	eachCommand(func(words []string, c *cli.Command) {
		name := strings.Join(words, " ")
		known[name] = true
		if len(c.Subcommands) == 0 && !slices.Contains(silent, name) {
			left[name] = true
		}
	})
	for _, o := range jsonObjects {
		for _, name := range commandsIn(o.title, known) {
			if !known[name] {
				t.Errorf("%q: there is no command %q", o.title, name)
			}
			delete(left, name)
		}
	}
	for name := range left {
		t.Errorf("%s has no object: add it to a title of jsonObjects", name)
	}
}

// kindOf names a JSON value for people. A type that writes itself as text is a
// string.
func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[gate.Applies]():
		return "boolean or null"
	case isText(t):
		return "string"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Slice, reflect.Array:
		return "list"
	case reflect.Map, reflect.Struct:
		return "object"
	}
	return "number"
}

func isText(t reflect.Type) bool {
	text := reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()
	return t.Implements(text) || reflect.PointerTo(t).Implements(text)
}

// fieldsOf lists the fields below a type, one per line: its path, its kind,
// and other kinds that it can have.
func fieldsOf(t reflect.Type, path string) (lines []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case isText(t):
		return nil
	case t.Kind() == reflect.Slice:
		return fieldsOf(t.Elem(), path+"[]")
	case t.Kind() == reflect.Map:
		return append([]string{fieldLine(path+".*", t.Elem(), "")}, fieldsOf(t.Elem(), path+".*")...)
	case t.Kind() != reflect.Struct:
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			lines = append(lines, fieldsOf(f.Type, path)...)
			continue
		case name == "":
			name = f.Name
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		lines = append(append(lines, fieldLine(at, f.Type, options)), fieldsOf(f.Type, at)...)
	}
	return lines
}

func fieldLine(path string, t reflect.Type, options string) string {
	kind := ""
	if t.Kind() == reflect.Pointer {
		t, kind = t.Elem(), " or null"
	}
	kind = kindOf(t) + kind
	if strings.Contains(options, "omit") {
		kind = strings.TrimSuffix(kind, " or null") + ", or not there"
	}
	return fmt.Sprintf("    %-44s %s", path, kind)
}

const fieldsBegin, fieldsEnd = "<!-- fields: made by a test -->\n", "<!-- end of fields -->\n"

func fieldList() string {
	var b strings.Builder
	b.WriteString(fieldsBegin)
	for _, o := range jsonObjects {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n", o.title, strings.Join(fieldsOf(reflect.TypeOf(o.value), ""), "\n"))
	}
	b.WriteString("\n" + fieldsEnd)
	return b.String()
}

// The list in the contract is that of the types. To write it again:
// go test ./cmd/dmsnapctl -run TestJSONFieldsAreListed -update-fields
func TestJSONFieldsAreListed(t *testing.T) {
	const path = "../../docs/cli.md"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(b), fieldsBegin)
	listed, after, ended := strings.Cut(rest, fieldsEnd)
	if !begun || !ended {
		t.Fatalf("%s has no list of fields", path)
	}
	if *updateFields {
		if err := os.WriteFile(path, []byte(before+fieldList()+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(fieldsBegin+listed+fieldsEnd, fieldList()); diff != "" {
		t.Errorf("%s lists other fields than the program prints; see this test's comment (-docs +types):\n%s", path, diff)
	}
}

// Every type with a field "schema" is in the list, and nothing else has one.
func TestJSONObjectsAreKnown(t *testing.T) {
	known := make(map[string]bool)
	for _, o := range jsonObjects {
		is := reflect.TypeOf(o.value)
		known[is.Name()] = true
		for i := range is.NumField() {
			if f := is.Field(i); f.Anonymous { // its fields are those of the object
				known[f.Name] = true
			}
		}
	}
	var files []string
	for _, pattern := range []string{"*.go", "../../verify/*.go", "../../verify/*/*.go", "../../verify/*/*/*.go", "internal/*/*.go", "../../dmctl/*.go", "../../dmctl/*/*.go"} {
		found, _ := filepath.Glob(pattern)
		files = append(files, found...)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Value == `"schema"` {
				t.Errorf("%s: an object with a schema is written without a type: nothing lists its fields", file)
			}
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok && slices.ContainsFunc(s.Fields.List, carriesSchema) && !known[spec.Name.Name] {
				t.Errorf("%s: the fields of %s are in no list: add it to jsonObjects", file, spec.Name.Name)
			}
			return true
		})
	}
}

func carriesSchema(f *ast.Field) bool {
	return f.Tag != nil && strings.Contains(f.Tag.Value, `json:"schema"`)
}

// strictly decodes one object. All its fields must be known, and none that is
// always there may be missing.
func strictly(t *testing.T, text []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var there map[string]any
	if err := json.Unmarshal(text, &there); err != nil {
		t.Fatal(err)
	}
	for _, line := range fieldsOf(reflect.TypeOf(into), "") {
		name := strings.Fields(line)[0]
		if _, ok := there[name]; !ok && !strings.Contains(name, "[") && !strings.Contains(line, "not there") {
			t.Errorf("no %s in %s", name, text)
		}
	}
}

func TestStreamedJSON(t *testing.T) {
	newToolbox(t)
	const store = "store"
	out, _, _ := commanded(t.Context(), "delta", "--format", "json", store)
	strictly(t, []byte(out), &deltaObject{})
	out, _, _ = commanded(t.Context(), "extract", "--json", store, "--origin", "origin", "-o", "image")
	strictly(t, []byte(out), &extractObject{})
	out, _, _ = commanded(t.Context(), "dump", store)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) < 2 {
		t.Fatalf("a dump of %d lines", len(lines))
	}
	strictly(t, []byte(lines[0]), &mend.DumpHeader{})
	for _, line := range lines[1:] {
		strictly(t, []byte(line), &dumpLine{})
	}
	table := filepath.Join(t.TempDir(), "table")
	if err := os.WriteFile(table, []byte("0 8 nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, _ = commanded(t.Context(), "table", "lint", "--json", table)
	strictly(t, []byte(out), &lintObject{})
	out, _, _ = commanded(t.Context(), "--json", "verify", "nothing-there")
	strictly(t, []byte(out), &errorJSON{})
}
