package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tiny is a module with an upper and a lower package, each of two files.
func tiny() map[string]string {
	return map[string]string{
		"go.mod":       "module tiny.example\n\ngo 1.24\n",
		"upper/doc.go": "// Package upper is above.\npackage upper\n\n// From the top down: top, bottom (what is\n// below).\n\nimport _ \"embed\"\n",
		"upper/top.go": "package upper\n\nimport \"tiny.example/lower\"\n\n// Top is called by nobody.\nfunc Top() { bottom(); lower.One() }\n",
		"upper/bottom.go": "package upper\n\ntype thing struct{}\n\n" +
			"func (thing) method() {}\n\nfunc bottom() { thing{}.method(); recur(1) }\n\nfunc recur(n int) { if n > 0 { recur(n - 1) } }\n",
		"lower/one.go": "package lower\n\n// One calls down.\nfunc One() { two() }\n",
		"lower/two.go": "package lower\n\nfunc two() {}\n",
	}
}

// judged returns what is wrong with a module.
func judged(t *testing.T, module map[string]string, order ...string) []string {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOWORK", "off")
	for name, text := range module {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	packages, err := load([]string{"./..."})
	if err != nil {
		t.Fatal(err)
	}
	wrong := append(judgeAll(packages, order), missing(packages, order)...)
	slices.Sort(wrong)
	return wrong
}

func TestArrows(t *testing.T) {
	downward := []string{"upper", "lower"}
	for _, tt := range []struct {
		name   string
		order  []string
		change func(module map[string]string)
		want   []string
	}{
		{"all goes down", downward, func(map[string]string) {}, nil},
		{"a call of a function goes up", downward, func(m map[string]string) {
			m["upper/bottom.go"] = strings.Replace(m["upper/bottom.go"], "recur(1)", "Top()", 1)
		}, []string{"tiny.example/upper: bottom.go: bottom calls Top, up in top.go"}},
		{"a call of a method goes up", downward, func(m map[string]string) {
			m["upper/doc.go"] = strings.Replace(m["upper/doc.go"], "top, bottom (what is\n// below).", "bottom, top.", 1)
			m["upper/top.go"] = strings.Replace(m["upper/top.go"], "bottom()", "thing{}.method()", 1)
		}, []string{"tiny.example/upper: top.go: Top calls method, up in bottom.go"}},
		{"a variable's value names a function above", downward, func(m map[string]string) {
			m["upper/bottom.go"] += "\nvar first, second = func() { Top() }, Top\n"
		}, []string{"tiny.example/upper: bottom.go: first calls Top, up in top.go"}},
		{"the calls of a package without a list make a circle", downward, func(m map[string]string) {
			m["lower/two.go"] = "package lower\n\nfunc two() { if false { One() } }\n"
		}, []string{"tiny.example/lower: two.go: two calls One, up in one.go"}},
		{"a file is in no list", downward, func(m map[string]string) {
			m["upper/more.go"] = "package upper\n"
		}, []string{"tiny.example/upper: more.go is in no list"}},
		{"a listed file does not exist", downward, func(m map[string]string) {
			m["upper/doc.go"] = strings.Replace(m["upper/doc.go"], "top, ", "top, middle, ", 1)
		}, []string{"tiny.example/upper: middle is listed, and no file"}},
		{"the package comment lists the files", downward, func(m map[string]string) {
			m["upper/doc.go"] = "// Package upper is above.\n//\n// From the top down: top, bottom.\npackage upper\n"
		}, []string{"tiny.example/upper: the package comment lists the files: move the list below the package clause"}},
		{"the comment of a function lists files", downward, func(m map[string]string) {
			m["upper/bottom.go"] = strings.Replace(m["upper/bottom.go"], "func bottom", "// From the top down: nothing.\nfunc bottom", 1)
		}, nil},
		{"many files, and no list", downward, func(m map[string]string) {
			for _, name := range []string{"a", "b", "c", "d"} {
				m["lower/"+name+".go"] = "package lower\n"
			}
		}, []string{"tiny.example/lower: 6 files, and no comment below a package clause lists them"}},
		{"an import goes up", []string{"lower", "upper"}, func(map[string]string) {},
			[]string{"tiny.example/upper: it imports lower, which is above it"}},
		{"a package has no place", []string{"upper"}, func(map[string]string) {},
			[]string{"tiny.example/lower: it has no place in testdata/arrows/packages.txt"}},
		{"a place has no package", []string{"upper", "middle", "lower"}, func(map[string]string) {},
			[]string{"middle is in testdata/arrows/packages.txt, and no package"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			module := tiny()
			tt.change(module)
			if diff := cmp.Diff(tt.want, judged(t, module, tt.order...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNothingUnderVerifyKnowsTheController: the table has the order that matters
// most.
func TestNothingUnderVerifyKnowsTheController(t *testing.T) {
	order := packageOrder()
	for _, name := range order {
		if strings.HasPrefix(name+"/", "verify/") {
			p := &source{name: name, imports: []string{"dmctl", "cmd/dmsnapctl/internal/output"}}
			if wrong := p.climbingImports(order); len(wrong) != 2 {
				t.Errorf("%s may import the controller or the face: %q", name, wrong)
			}
		}
	}
	if !slices.Contains(order, "verify/crash") || !slices.Contains(order, "dmctl") {
		t.Errorf("the order lacks packages: %q", order)
	}
}
