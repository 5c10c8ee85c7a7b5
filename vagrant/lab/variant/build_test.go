//go:build linux

package variant

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
)

func TestSourcePackage(t *testing.T) {
	have := func(string) ([]string, error) { return []string{"6.1.192-2", "6.1.176-1"}, nil }
	kernel := func(engine lab.Engine, release string, origin kernels.Origin) kernels.Kernel {
		return kernels.Kernel{
			Kernel: lab.Kernel{Engine: engine, Release: release},
			Name:   kernels.Name{Engine: engine, Series: "6.1"},
			Origin: origin,
		}
	}
	for want, k := range map[string]kernels.Kernel{
		"6.1.176-1": kernel(lab.UML, "6.1.176", kernels.Origin{}),
		"6.1.192-2": kernel(lab.QEMU, "6.1.0-56", kernels.Origin{Version: "6.1.192-2"}),
	} {
		if name, got, err := sourcePackage(k, have); name != "linux-source-6.1" || got != want || err != nil {
			t.Errorf("%s %s, %v, want %s", name, got, err, want)
		}
	}
	newer := kernel(lab.UML, "6.1.17", kernels.Origin{Suite: "sid"})
	if _, got, err := sourcePackage(newer, have); got != "6.1.192-2" || err != nil {
		t.Errorf("a suite without old versions: %s, %v", got, err)
	}
	for _, k := range []kernels.Kernel{
		kernel(lab.UML, "6.1.17", kernels.Origin{}),
		kernel(lab.QEMU, "6.1.0-55", kernels.Origin{Version: "6.1.192-1"}),
	} {
		if _, got, err := sourcePackage(k, have); err == nil {
			t.Errorf("%s: %s", k.Release, got)
		}
	}
}

func TestHeadersLookForEachOtherBelowTheRoot(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Makefile", ".kernelvariables"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("include "+headerPlace+"-1-common/M\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := moveHeaders(dir, "/r"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	if string(text) != "include /r"+headerPlace+"-1-common/M\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

func TestModulesOfAVariantThatIsNone(t *testing.T) {
	if replace, err := Modules(Stock, kernels.Kernel{}); replace != nil || err != nil {
		t.Errorf("stock: %v, %v", replace, err)
	}
	if _, err := Modules("old", kernels.Kernel{}); err == nil || !strings.Contains(err.Error(), "stock, leaky") {
		t.Errorf("error %v", err)
	}
}
