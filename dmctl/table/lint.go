package table

// What is wrong with a table, all of it.

import (
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// Lint finds what is wrong with a table's text: lines that cannot be read,
// lines that do not fit together, and what a snapshot target of the given
// version does not accept. No version, no such complaint.
func Lint(text string, snapshot *gate.Version) []*SyntaxError {
	l := linter{version: snapshot, follower: follower{known: true}}
	empty := true
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(line, spaces)
		if trimmed != "" && trimmed[0] != '#' {
			l.number, empty = i+1, false
			l.line(trimmed)
		}
	}
	if empty {
		l.number = 1
		l.add(&SyntaxError{Rule: "the table is empty"})
	}
	return l.problems
}

type linter struct {
	version  *gate.Version
	number   int // of the line
	follower follower
	problems []*SyntaxError
}

// add takes a problem of the present line, or none.
func (l *linter) add(err *SyntaxError) {
	if err != nil {
		err.Line = l.number
		l.problems = append(l.problems, err)
	}
}

func (l *linter) line(text string) {
	h, err := parseHead(text)
	if err != nil {
		l.add(err)
		l.follower.lose()
		return
	}
	length, bad := h.length, checkExtent(h.start, h.length)
	if bad != nil {
		length = 0 // or it ends beyond all sectors
	}
	l.add(l.follower.next(h.start, length))
	if length != h.length {
		l.follower.lose()
	}
	l.add(bad)
	target, err := h.target()
	if bad == nil || target.Spec == nil { // rules about the length say nothing of a wrong one
		l.add(err)
	}
	l.add(l.accepted(target.Spec))
}

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
	case args.Store == PersistentOverflow && !gate.KnowsOverflow(*l.version):
		return &SyntaxError{Word: wordSnapStore, Text: string(args.Store),
			Rule: fmt.Sprintf("the store PO came with snapshot target %v, this is %v", gate.StoreOverflow, *l.version)}
	case len(args.Features) > 0 && !gate.KnowsFeatures(*l.version):
		return &SyntaxError{Word: wordSnapFeatures, Text: fmt.Sprint(len(args.Features)),
			Rule: fmt.Sprintf("feature arguments came with snapshot target %v, this is %v", gate.DiscardFeatures, *l.version)}
	}
	return nil
}
