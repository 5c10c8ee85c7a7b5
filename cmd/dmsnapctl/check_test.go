// Scripts for the command check, and the examples of its documentation: the
// tests run what the documentation shows. They need nothing from the kernel,
// and would only slow down its tests.

//go:build !kernel

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/check"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree/treetest"
)

const checkDoc = "../../docs/check.md"

// Scripts find the module fixtures in $MODULES, and the examples in $EXAMPLES.
func TestCheckScripts(t *testing.T) {
	directories := map[string]string{"MODULES": "../../testdata/modules", "EXAMPLES": "../../docs/examples/check"}
	for name, dir := range directories {
		absolute, err := filepath.Abs(dir)
		if err != nil {
			t.Fatal(err)
		}
		directories[name] = absolute
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script", "check"),
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"code": code, "module": module(t)},
		Condition:           condition,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for name, dir := range directories {
				env.Setenv(name, dir)
			}
			return nil
		},
	})
}

// module is the command "module NAME FILE": it puts a module of
// testdata/modules into a kernel's directory, as a module of that kernel.
func module(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		if len(args) != 2 {
			ts.Fatalf("usage: module NAME FILE")
		}
		file := ts.MkAbs(args[1])
		_, below, _ := strings.Cut(filepath.ToSlash(file), "/modules/")
		release, _, _ := strings.Cut(below, "/")
		ts.Check(os.MkdirAll(filepath.Dir(file), 0o755))
		ts.Check(os.WriteFile(file, treetest.Module(t, treetest.Fixture(t, args[0]), release), 0o644))
	}
}

// A block of the documentation under the name of an example is that example.
func TestCheckDocumentationShowsTheExamples(t *testing.T) {
	text, err := os.ReadFile(checkDoc)
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, match := range regexp.MustCompile("(?s)\\(examples/check/([a-z.-]+)\\)[^\n]*\n\n```[a-z]*\n(.*?)```\n").FindAllSubmatch(text, -1) {
		name, block := string(match[1]), string(match[2])
		example, err := os.ReadFile(filepath.Join("../../docs/examples/check", name))
		if err != nil {
			t.Errorf("%s: %v", checkDoc, err)
			continue
		}
		if string(example) != block {
			t.Errorf("%s shows another text than docs/examples/check/%s", checkDoc, name)
		}
		shown++
	}
	files, err := os.ReadDir("../../docs/examples/check")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.Contains(string(text), "(examples/check/"+f.Name()+")") {
			t.Errorf("%s does not mention docs/examples/check/%s", checkDoc, f.Name())
		}
	}
	if shown != len(files) {
		t.Errorf("%s shows %d of %d examples", checkDoc, shown, len(files))
	}
}

// The contract with scripts names every flag and every field.
func TestCheckContractIsWhole(t *testing.T) {
	text, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## check\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, flag := range checkCommand().Flags {
		if name := "`--" + flag.Names()[0] + "`"; !strings.Contains(section, name) {
			t.Errorf("docs/cli.md does not describe check's flag %s", name)
		}
	}
	for _, object := range []any{check.Kernel{}, check.Advisory{}, checkRecord{}, checkList{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(object)) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name != "" && !strings.Contains(section, "`"+name+"`") {
				t.Errorf("docs/cli.md does not describe the field %s", name)
			}
		}
	}
}

// A hint comes only where it can help: not where the rule says more, and not
// where it was followed.
func TestCheckHints(t *testing.T) {
	for _, tt := range []struct {
		load bool
		err  error
		want string
	}{
		{false, dmctl.ErrNoTarget, "rule (`dmsnapctl check --load` loads its module)"},
		{true, dmctl.ErrNoTarget, "rule"},
		{false, dmctl.ErrNoDeviceMapper, "rule"},
		{false, fmt.Errorf("%w; %w", dmctl.ErrNoDeviceMapper, installed.ErrNotLoaded), "rule (`modprobe dm-mod` loads it)"},
		{true, dmctl.ErrPermission, "rule (run as root)"},
	} {
		asked := checkRequest{Request: check.Request{Load: tt.load}}
		k := check.Kernel{Err: tt.err}
		k.Rule = "rule"
		if got := asked.explain(check.Result{Kernels: []check.Kernel{k}}).Kernels[0].Rule; got != tt.want {
			t.Errorf("load %v, %v: %s, want %s", tt.load, tt.err, got, tt.want)
		}
	}
}
