// Mutate changes rules of the program one at a time and runs the tests that
// must notice. A mutant that no test notices survives, and the exit status is 1.
//
//	go run ./testdata/mutate [-run TEXT] [LIST]
//
// The tree is not changed: the compiler gets the changed file in place of the
// real one. The packages are tested one after the other, in the list's order, and
// the first test that fails ends it. Tests run in their quick form first. If no
// test notices the mutant, all of them run in full.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
)

func main() {
	only := flag.String("run", "", "run only mutants whose name contains `TEXT`")
	jobs := flag.Int("jobs", 2, "`number` of mutants tested at once")
	flag.Parse()
	path := flag.Arg(0)
	if path == "" {
		path = "testdata/mutants.txt"
	}
	survivors, err := run(path, *only, *jobs)
	if err != nil {
		fmt.Fprintf(os.Stderr, "mutate: %v\n", err)
		os.Exit(3)
	}
	if survivors > 0 {
		os.Exit(1)
	}
}

// run tests the mutants of a list and returns how many survived.
func run(path, only string, jobs int) (survivors int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	list, err := parseList(f)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	chosen := slices.DeleteFunc(slices.Clone(list), func(m mutant) bool { return !strings.Contains(m.Name, only) })
	if len(chosen) == 0 {
		return 0, fmt.Errorf("%s has no mutant whose name contains %q", path, only)
	}
	if err := soundWithout(chosen); err != nil {
		return 0, err
	}
	var (
		begun = time.Now()
		limit = make(chan struct{}, jobs)
		mu    sync.Mutex
		wait  sync.WaitGroup
		errs  []error
	)
	for _, m := range chosen {
		limit <- struct{}{}
		wait.Go(func() {
			defer func() { <-limit }()
			by, err := m.test(goTool)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				errs = append(errs, fmt.Errorf("%s:%d: %s: %w", path, m.line, m.Name, err))
			case by != "":
				fmt.Printf("killed    %s (%s)\n", m.Name, by)
			default:
				survivors++
				fmt.Printf("SURVIVED  %s (%s)\n", m.Name, m.File)
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return survivors, err
	}
	fmt.Printf("%d mutants, %d killed, %d survived, %d not chosen, in %.0f s\n",
		len(chosen), len(chosen)-survivors, survivors, len(list)-len(chosen), time.Since(begun).Seconds())
	return survivors, nil
}

// soundWithout checks that all tests pass on the tree as it is. Otherwise every
// mutant would seem to be noticed.
func soundWithout(list []mutant) error {
	var packages []string
	for _, m := range list {
		packages = append(packages, m.Packages...)
	}
	slices.Sort(packages)
	if out, err := goTool(false, append([]string{"test", "-short"}, slices.Compact(packages)...)...); err != nil {
		return fmt.Errorf("the tests fail without a mutant: %w\n%s", err, out)
	}
	return nil
}

// tool runs go with arguments, with tests in full or in their quick form.
type tool func(full bool, args ...string) (out string, err error)

// test runs the tests on the mutant and returns which one noticed it, or "".
func (m mutant) test(run tool) (by string, err error) {
	source, err := os.ReadFile(m.File)
	if err != nil {
		return "", err
	}
	changed, err := m.apply(string(source))
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(dir, m.File, changed)
	if err != nil {
		return "", err
	}
	return m.noticed(run, overlay)
}

// noticed runs the tests of the mutant's packages, quick ones first.
func (m mutant) noticed(run tool, overlay string) (by string, err error) {
	for _, p := range m.Packages {
		if by, err = failing(run, false, "-short", "-timeout", "5m", "-overlay", overlay, p); by != "" || err != nil {
			return by, err
		}
	}
	for _, p := range m.Packages {
		if by, err = failing(run, true, "-timeout", "20m", "-overlay", overlay, p); err != nil {
			return "", err
		}
		if by == "" {
			continue
		}
		// Only the quick form is known to pass without the mutant.
		if out, err := run(true, "test", "-timeout", "20m", p); err != nil {
			return "", fmt.Errorf("the tests of %s fail in full without a mutant: %w\n%s", p, err, out)
		}
		return by, nil
	}
	return "", nil
}

// failing runs the tests of a package and returns the first one that fails, or
// "". A mutant that does not compile proves nothing and is an error.
func failing(run tool, full bool, args ...string) (by string, err error) {
	out, err := run(full, append([]string{"test", "-vet=off", "-failfast"}, args...)...)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "", nil
	case !errors.As(err, &exit):
		return "", err
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return "", fmt.Errorf("the mutant does not compile: %s", out)
	case !strings.Contains(out, "FAIL"):
		return "", fmt.Errorf("go test ended without a result: %w\n%s", err, out)
	}
	_, by, _ = strings.Cut(out, "--- FAIL: ")
	by, _, _ = strings.Cut(by, " ")
	return cmp.Or(by, "the program ended"), nil
}

// writeOverlay writes the changed file, and the overlay that tells go which
// file it replaces.
func writeOverlay(dir, file, changed string) (string, error) {
	real, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	instead := filepath.Join(dir, "mutant.go")
	if err := os.WriteFile(instead, []byte(changed), 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {real: instead}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

func goTool(full bool, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	if full {
		cmd.Env = append(os.Environ(), thorough.Variable+"=1")
	}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
