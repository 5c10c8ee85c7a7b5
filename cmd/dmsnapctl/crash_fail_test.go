package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// doubtCodes are the codes of all doubts, from the source of the explorer.
func doubtCodes(t *testing.T) (codes []crash.DoubtCode) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../verify/crash/doubts.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "DoubtCode" {
			return true
		}
		for _, v := range spec.Values {
			text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, crash.DoubtCode(text))
		}
		return true
	})
	if len(codes) < 6 {
		t.Fatalf("only %q", codes)
	}
	return codes
}

// TestEveryDoubtCanBeSettled: the program says how, and so does the contract.
func TestEveryDoubtCanBeSettled(t *testing.T) {
	contract, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range doubtCodes(t) {
		if how := settles(crash.Doubt{Code: code}); how == "" || strings.Contains(how, string(code)) {
			t.Errorf("%s: nothing says how to settle it", code)
		}
		if !strings.Contains(string(contract), "\n| `"+string(code)+"` | ") {
			t.Errorf("%s is not in docs/cli.md", code)
		}
	}
}
