// Mutate changes rules of the program one at a time and runs the tests that
// must notice. A mutant that no test notices survives, and the exit status is 1.
//
//	go run ./testdata/mutate [-run TEXT] [LIST]
//
// The tree is not changed: the compiler gets the changed file in place of the
// real one.
package main

import (
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
	if err := soundWithout(list); err != nil {
		return 0, err
	}
	var (
		begun   = time.Now()
		limit   = make(chan struct{}, jobs)
		mu      sync.Mutex
		wait    sync.WaitGroup
		errs    []error
		tested  int
		skipped int
	)
	for _, m := range list {
		if !strings.Contains(m.Name, only) {
			skipped++
			continue
		}
		limit <- struct{}{}
		wait.Go(func() {
			defer func() { <-limit }()
			died, err := m.test()
			mu.Lock()
			defer mu.Unlock()
			tested++
			switch {
			case err != nil:
				errs = append(errs, fmt.Errorf("%s:%d: %s: %w", path, m.line, m.Name, err))
			case died:
				fmt.Printf("killed    %s\n", m.Name)
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
	if tested == 0 {
		return 0, fmt.Errorf("%s has no mutant whose name contains %q", path, only)
	}
	fmt.Printf("%d mutants, %d killed, %d survived, %d not chosen, in %.0f s\n",
		tested, tested-survivors, survivors, skipped, time.Since(begun).Seconds())
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
	args := append([]string{"test", "-short"}, slices.Compact(packages)...)
	if out, err := goTool(args...); err != nil {
		return fmt.Errorf("the tests fail without a mutant: %w\n%s", err, out)
	}
	return nil
}

// test runs the tests on the mutant. The mutant was noticed if they failed. A
// mutant that does not compile proves nothing and is an error.
func (m mutant) test() (died bool, err error) {
	source, err := os.ReadFile(m.File)
	if err != nil {
		return false, err
	}
	changed, err := m.apply(string(source))
	if err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(dir, m.File, changed)
	if err != nil {
		return false, err
	}
	if out, err := goTool(append([]string{"vet", "-overlay", overlay}, m.Packages...)...); err != nil {
		return false, fmt.Errorf("the mutant does not compile: %s", out)
	}
	args := append([]string{"test", "-short", "-failfast", "-timeout", "5m", "-overlay", overlay}, m.Packages...)
	out, err := goTool(args...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, err
	}
	return err != nil && strings.Contains(out, "FAIL"), nil
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

func goTool(args ...string) (string, error) {
	out, err := exec.Command("go", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
