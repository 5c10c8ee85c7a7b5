package matrix

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const output = `{"Action":"output","Package":"p","Test":"TestDust","Output":"    x_test.go:1: not applicable: the kernel has no dm-dust\n"}
{"Action":"skip","Package":"p","Test":"TestDust","Elapsed":0}
{"Action":"skip","Package":"p","Test":"TestLazy","Elapsed":0}
{"Action":"pass","Package":"p","Test":"TestA/sub","Elapsed":1}
{"Action":"output","Package":"p","Test":"TestA/dust","Output":"    x_test.go:2: not applicable: no dm-dust\n"}
{"Action":"skip","Package":"p","Test":"TestA/dust","Elapsed":0}
{"Action":"skip","Package":"p","Test":"TestA/lazy","Elapsed":0}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":1}
{"Action":"fail","Package":"p","Test":"TestB","Elapsed":1}
what is no event
{"Action":"fail","Package":"p","Elapsed":3.5}
{"Action":"fail","Package":"a","Elapsed":0.1}`

func TestRead(t *testing.T) {
	got, err := Read(strings.NewReader(output))
	want := []Result{
		{Package: "a", Failed: []string{"the package"}, Seconds: 0.1},
		{Package: "p", Passed: 1, Failed: []string{"TestLazy (skipped)", "TestA/lazy (skipped)", "TestB"}, Not: []string{"TestDust (the kernel has no dm-dust)", "TestA/dust (no dm-dust)"}, Seconds: 3.5},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestPrint(t *testing.T) {
	var out strings.Builder
	err := Print(&out, []Row{{"uml-6.1", "leaky", Result{Package: "p", Passed: 2, Failed: []string{"TestB"}, Not: []string{"TestC (why)"}, Seconds: 1.25}}})
	want := "kernel     variant  package                          passed failed    n/a  seconds\n" +
		"uml-6.1    leaky    p                                     2      1      1      1.2\n" +
		"failed: uml-6.1 leaky p TestB\nnot applicable: uml-6.1 leaky p TestC (why)\n"
	if diff := cmp.Diff(want, out.String()); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}
