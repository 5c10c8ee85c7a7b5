// The list of mutants: what is changed where, and which tests must notice.

package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// mutant is one small change to a rule. Old and New are whole lines; their
// indentation is ignored.
type mutant struct {
	Name     string
	File     string   // relative to the repository
	Packages []string // whose tests must fail
	Old, New []string
	line     int // of the list, where the mutant begins
}

// parseList reads mutants. Each begins with its name:
//
//	mutant: undo runs forward
//	file: dmctl/plan/run.go
//	test: ./dmctl/plan ./dmctl
//	- for i := failed - 1; i >= 0; i-- {
//	+ for i := range failed {
//
// Lines that begin with '#' are comments; a mutant without '+' lines deletes
// its '-' lines.
func parseList(r io.Reader) ([]mutant, error) {
	var list []mutant
	scan := bufio.NewScanner(r)
	for number := 1; scan.Scan(); number++ {
		if err := parseLine(&list, strings.TrimSpace(scan.Text()), number); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	for _, m := range list {
		if m.File == "" || len(m.Packages) == 0 || len(m.Old) == 0 {
			return nil, fmt.Errorf("line %d: mutant %q lacks a file, a test or a line to change", m.line, m.Name)
		}
	}
	return list, scan.Err()
}

func parseLine(list *[]mutant, line string, number int) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	if name, is := strings.CutPrefix(line, "mutant:"); is {
		*list = append(*list, mutant{Name: strings.TrimSpace(name), line: number})
		return nil
	}
	if len(*list) == 0 {
		return fmt.Errorf("%q stands before the first mutant", line)
	}
	m := &(*list)[len(*list)-1]
	switch key, rest, _ := strings.Cut(line, " "); key {
	case "file:":
		m.File = strings.TrimSpace(rest)
	case "test:":
		m.Packages = strings.Fields(rest)
	case "-":
		m.Old = append(m.Old, strings.TrimSpace(rest))
	case "+":
		m.New = append(m.New, strings.TrimSpace(rest))
	default:
		return fmt.Errorf("%q is none of mutant:, file:, test:, - and +", line)
	}
	return nil
}

// apply changes the only place in source that has the old lines.
func (m mutant) apply(source string) (string, error) {
	lines := strings.Split(source, "\n")
	at := -1
	for i := range lines[:max(0, len(lines)-len(m.Old)+1)] {
		if !standsAt(lines[i:], m.Old) {
			continue
		}
		if at >= 0 {
			return "", fmt.Errorf("the lines stand in %s twice, at %d and %d", m.File, at+1, i+1)
		}
		at = i
	}
	if at < 0 {
		return "", fmt.Errorf("the lines do not stand in %s", m.File)
	}
	changed := append([]string{}, lines[:at]...)
	changed = append(changed, m.New...)
	changed = append(changed, lines[at+len(m.Old):]...)
	return strings.Join(changed, "\n"), nil
}

func standsAt(lines, old []string) bool {
	for i := range old {
		if strings.TrimSpace(lines[i]) != old[i] {
			return false
		}
	}
	return true
}
