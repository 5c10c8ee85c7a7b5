package table

// What is wrong with a table, all of it.

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// maxLine is the longest line that Lint and LintDevices read, in bytes. The
// kernel takes less: what it is given at once is a table, and no table that
// works has such a line.
const maxLine = 256 << 10

// noDevices is what dmsetup prints where it has no table to print.
const noDevices = "No devices found"

// Lint finds what is wrong with a table's text: lines that cannot be read,
// lines that do not fit together, and what a snapshot target of the given
// version does not accept. No version, no such complaint.
func Lint(text string, snapshot *gate.Version) []*SyntaxError {
	var problems []*SyntaxError
	l := newLinter(snapshot, func(e *SyntaxError) error { problems = append(problems, e); return nil })
	_ = l.read(strings.NewReader(text)) // a string is read to its end, and found never fails
	return problems
}

// LintDevices is Lint for tables of one device or of many, as dmsetup prints
// them: with the device's name, a colon and a space before each line. found is
// told of each problem in order; its error ends the reading. However long r
// is, memory is bounded.
func LintDevices(r io.Reader, snapshot *gate.Version, found func(*SyntaxError) error) error {
	l := newLinter(snapshot, found)
	l.many = true
	return l.read(r)
}

type linter struct {
	version  *gate.Version
	many     bool   // lines may have a device's name before them
	device   string // of the present line; "" where lines have no name
	number   int    // of the line
	began    int    // the number of the present device's first line
	lines    int    // of the present device's table
	follower follower
	found    func(*SyntaxError) error
	err      error // the first of found's
}

func newLinter(version *gate.Version, found func(*SyntaxError) error) *linter {
	return &linter{version: version, found: found, began: 1, follower: follower{known: true}}
}

// read goes through the text line by line.
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

// tooLong passes over a line that is no table's.
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

// one takes a line that is neither empty nor a comment.
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

// enter begins the table of another device.
func (l *linter) enter(device string) {
	if device == l.device {
		return
	}
	if l.device != "" {
		l.leave()
	}
	l.device, l.began, l.lines, l.follower = device, l.number, 0, follower{known: true}
}

// leave ends the table of a device.
func (l *linter) leave() {
	if l.lines == 0 {
		l.report(&SyntaxError{Line: l.began, Rule: "the table is empty"})
	}
}

// cutDevice takes the name that dmsetup prints before a line off it: what a
// line that does not begin with a number has before its first colon and space.
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

// add takes a problem of the present line, or none.
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
