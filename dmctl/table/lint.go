package table

// Finding everything that is wrong with a table.

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// maxLine is the longest line that Lint and LintDevices read, in bytes. No
// table that a kernel accepts has a longer one: the kernel receives the whole
// table at once and allows it less.
const maxLine = 256 << 10

// noDevices is what dmsetup prints if there are no tables.
const noDevices = "No devices found"

// Lint finds everything that is wrong with a table's text: lines that cannot be
// read, lines that do not fit together, and arguments that a snapshot target of
// the given version does not accept. If the version is nil, arguments are not
// checked against one.
func Lint(text string, snapshot *gate.Version) []*SyntaxError {
	var problems []*SyntaxError
	l := newLinter(snapshot, func(e *SyntaxError) error { problems = append(problems, e); return nil })
	_ = l.read(strings.NewReader(text)) // a string is read to its end, and found never fails
	return problems
}

// LintDevices is Lint for the tables of one or more devices as dmsetup prints
// them, with the device's name, a colon and a space before each line. It calls
// found for each problem in order; an error from found ends the reading. Memory
// is bounded however long r is.
func LintDevices(r io.Reader, snapshot *gate.Version, found func(*SyntaxError) error) error {
	l := newLinter(snapshot, found)
	l.many = true
	return l.read(r)
}

type linter struct {
	version  *gate.Version
	many     bool   // lines may start with a device's name
	device   string // of the current line; "" if lines have no name
	number   int    // of the line
	began    int    // the number of the current device's first line
	lines    int    // of the current device's table
	follower follower
	found    func(*SyntaxError) error
	err      error // the first one from found
}

func newLinter(version *gate.Version, found func(*SyntaxError) error) *linter {
	return &linter{version: version, found: found, began: 1, follower: follower{known: true}}
}

// read checks the text line by line.
func (l *linter) read(r io.Reader) error {
	in := bufio.NewReaderSize(r, maxLine)
	for l.err == nil {
		line, err := in.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		l.number++
		if err == bufio.ErrBufferFull {
			l.tooLong()
			err = skipLine(in)
		} else if trimmed := strings.TrimLeft(strings.TrimSuffix(string(line), "\n"), spaces); trimmed != "" && trimmed[0] != '#' {
			l.one(trimmed)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	l.leave()
	return l.err
}

// tooLong reports a line that is longer than any table line.
func (l *linter) tooLong() {
	l.lines++
	l.add(&SyntaxError{Rule: fmt.Sprintf("the line is longer than %d bytes", maxLine)})
	l.follower.lose()
}

// skipLine reads to the end of a line.
func skipLine(in *bufio.Reader) error {
	for {
		if _, err := in.ReadSlice('\n'); err != bufio.ErrBufferFull {
			return err
		}
	}
}

// one checks a line that is neither empty nor a comment.
func (l *linter) one(text string) {
	if l.many {
		if text == noDevices {
			l.lines++
			return
		}
		device, rest := cutDevice(text)
		l.enter(device)
		if text = rest; text == "" {
			return
		}
	}
	l.lines++
	l.line(text)
}

// enter starts another device's table.
func (l *linter) enter(device string) {
	if device == l.device {
		return
	}
	if l.device != "" {
		l.leave()
	}
	l.device, l.began, l.lines, l.follower = device, l.number, 0, follower{known: true}
}

// leave ends a device's table.
func (l *linter) leave() {
	if l.lines == 0 {
		l.report(&SyntaxError{Line: l.began, Rule: "the table is empty"})
	}
}

// cutDevice removes the device's name that dmsetup prints before a line: if the
// line does not begin with a number, everything before the first colon and
// space.
func cutDevice(line string) (device, rest string) {
	if line[0] >= '0' && line[0] <= '9' {
		if word, _ := cutWord(line); !strings.HasSuffix(word, ":") {
			return "", line
		}
	}
	device, rest, found := strings.Cut(line+" ", ": ")
	if !found {
		return "", line
	}
	return device, strings.Trim(rest, spaces)
}

// add reports a problem of the current line; nil is none.
func (l *linter) add(err *SyntaxError) {
	if err != nil {
		err.Line = l.number
		l.report(err)
	}
}

func (l *linter) report(err *SyntaxError) {
	if l.err == nil {
		err.Device = l.device
		l.err = l.found(err)
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
		length = 0 // otherwise it ends past the last possible sector
	}
	l.add(l.follower.next(h.start, length))
	if length != h.length {
		l.follower.lose()
	}
	l.add(bad)
	target, err := h.target()
	if bad == nil || target.Spec == nil { // the rules for lengths do not apply to an invalid one
		l.add(err)
	}
	l.add(l.accepted(target.Spec))
}

// accepted reports arguments that the target version does not accept.
// snapshot-merge parses its arguments with the same code as snapshot.
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
			Rule: fmt.Sprintf("the store PO needs snapshot target %v, this is %v", gate.StoreOverflow, *l.version)}
	case len(args.Features) > 0 && !gate.KnowsFeatures(*l.version):
		return &SyntaxError{Word: wordSnapFeatures, Text: fmt.Sprint(len(args.Features)),
			Rule: fmt.Sprintf("feature arguments need snapshot target %v, this is %v", gate.DiscardFeatures, *l.version)}
	}
	return nil
}
