package table

// What is wrong with a table, all of it.

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// Lint finds what is wrong with a table's text: lines that cannot be read,
// lines that do not fit together, and what a snapshot target of the given
// version does not accept. No version, no such complaint.
func Lint(text string, snapshot *gate.Version) []*SyntaxError {
	l := linter{version: snapshot}
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(line, spaces)
		if trimmed != "" && trimmed[0] != '#' {
			l.line(i+1, trimmed)
		}
	}
	if len(l.table) > 0 && !l.unreadable {
		l.fit()
	}
	if len(l.lines) == 0 && !l.unreadable {
		l.problems = append(l.problems, &SyntaxError{Line: 1, Rule: "the table is empty"})
	}
	return l.problems
}

type linter struct {
	version    *gate.Version
	table      Table
	lines      []int // of the text, for each of the table
	unreadable bool
	problems   []*SyntaxError
}

func (l *linter) line(number int, text string) {
	target, err := parseLine(text)
	if err != nil {
		err.Line = number
		l.problems = append(l.problems, err)
		l.unreadable = true
		return
	}
	l.table = append(l.table, target)
	l.lines = append(l.lines, number)
	if err := l.accepted(target.Spec); err != nil {
		err.Line = number
		l.problems = append(l.problems, err)
	}
}

// Places of words on a snapshot's line.
const (
	wordStore    = 6
	wordFeatures = 8
)

// accepted says what the target version does not know. snapshot-merge takes
// the same arguments, in the same code, as snapshot.
func (l *linter) accepted(spec Spec) *SyntaxError {
	var args SnapshotArgs
	switch s := spec.(type) {
	case Snapshot:
		args = SnapshotArgs(s)
	case SnapshotMerge:
		args = SnapshotArgs(s)
	default:
		return nil
	}
	switch {
	case l.version == nil:
		return nil
	case args.Store == PersistentOverflow && !l.version.AtLeast(gate.StoreOverflow):
		return &SyntaxError{Word: wordStore, Text: string(args.Store),
			Rule: fmt.Sprintf("the store PO came with snapshot target %v, this is %v", gate.StoreOverflow, *l.version)}
	case len(args.Features) > 0 && !l.version.AtLeast(gate.DiscardFeatures):
		return &SyntaxError{Word: wordFeatures, Text: fmt.Sprint(len(args.Features)),
			Rule: fmt.Sprintf("feature arguments came with snapshot target %v, this is %v", gate.DiscardFeatures, *l.version)}
	}
	return nil
}

// fit applies Check, and gives its complaint the line of the text.
func (l *linter) fit() {
	var bad *SyntaxError
	if errors.As(l.table.Check(SectorBytes), &bad) {
		bad.Line = l.lines[bad.Line-1]
		l.problems = append(l.problems, bad)
		slices.SortStableFunc(l.problems, func(a, b *SyntaxError) int { return a.Line - b.Line })
	}
}
