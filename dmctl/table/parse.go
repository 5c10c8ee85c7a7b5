package table

// Parsing the text that dmsetup and the kernel print.

import (
	"math"
	"strconv"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// MaxTypeName is the length of the longest target name that the ioctl can
// carry, in bytes (include/uapi/linux/dm-ioctl.h: DM_MAX_TYPE_NAME counts the
// zero byte).
const MaxTypeName = 15

const maxSectors = math.MaxUint64

// parsers are the targets with a type of their own.
var parsers = map[string]func(*cursor) Spec{
	"linear":            parseLinear,
	"striped":           parseStriped,
	"zero":              func(*cursor) Spec { return Zero{} },
	"error":             parseError,
	"delay":             parseDelay,
	"flakey":            parseFlakey,
	"dust":              parseDust,
	"log-writes":        parseLogWrites,
	gate.SnapshotTarget: func(c *cursor) Spec { return Snapshot(parseSnapshotArgs(c)) },
	gate.MergeTarget:    func(c *cursor) Spec { return SnapshotMerge(parseSnapshotArgs(c)) },
	gate.OriginTarget:   parseSnapshotOrigin,
}

// Parse reads a table, one target per line. Like dmsetup, it skips empty lines
// and lines that start with # (tools/dmsetup.c: _parse_line). Errors are
// *SyntaxError. Check reports whether the lines fit together.
func Parse(text string) (Table, error) {
	var t Table
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(line, spaces)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		target, err := parseLine(trimmed)
		if err != nil {
			err.Line = i + 1
			return nil, err
		}
		t = append(t, target)
	}
	return t, nil
}

// ParseSpec reads a target's type and parameters as the kernel returns them.
// Errors are *SyntaxError whose words count from the type.
func ParseSpec(name, params string) (Spec, error) {
	spec, err := parseSpec(name, params, 1)
	if err != nil {
		err.Line = 1
		return nil, err
	}
	return spec, nil
}

func parseLine(line string) (Target, *SyntaxError) {
	h, err := parseHead(line)
	if err == nil {
		err = checkExtent(h.start, h.length)
	}
	if err != nil {
		return Target{}, err
	}
	return h.target()
}

// head is a line's start and length, and the rest of the line.
type head struct {
	start, length cow.Sectors
	name, params  string
}

func parseHead(line string) (head, *SyntaxError) {
	var words [3]string
	rest := line
	for i := range words {
		words[i], rest = cutWord(rest)
	}
	c := &cursor{words: splitWords(words[0] + " " + words[1])}
	h := head{name: words[2], params: rest}
	h.start = cow.Sectors(c.number("the start in sectors", maxSectors))
	h.length = cow.Sectors(c.number("the length in sectors", maxSectors))
	return h, c.err
}

// target returns the whole line.
func (h head) target() (Target, *SyntaxError) {
	spec, err := parseSpec(h.name, h.params, 3)
	if err != nil {
		return Target{}, err
	}
	t := Target{Start: h.start, Length: h.length, Spec: spec}
	return t, t.check()
}

// cutWord splits the first word off a line that starts with one.
func cutWord(line string) (word, rest string) {
	i := strings.IndexAny(line, spaces)
	if i < 0 {
		return line, ""
	}
	return line[:i], strings.TrimLeft(line[i:], spaces)
}

// parseSpec reads what follows start and length; base is the number of words on
// the line up to the type, including the type.
func parseSpec(name, params string, base int) (Spec, *SyntaxError) {
	if name == "" {
		return nil, &SyntaxError{Word: base, Rule: "the target's type is missing"}
	}
	if len(name) > MaxTypeName || strings.ContainsAny(name, "\x00\\") {
		return nil, &SyntaxError{Word: base, Text: name,
			Rule: "a target's type may have at most " + strconv.Itoa(MaxTypeName) + " plain characters"}
	}
	if i := strings.IndexAny(params, "\n\x00"); i >= 0 {
		return nil, &SyntaxError{Word: base, Text: name, Rule: "the parameters contain a newline or a zero byte"}
	}
	parse, known := parsers[name]
	if !known {
		return Opaque{Name: name, Text: trimSpaces(params)}, nil
	}
	c := &cursor{words: splitWords(params), base: base}
	spec := parse(c)
	c.end()
	if c.err != nil {
		return nil, c.err
	}
	return spec, nil
}

// SpecOf is ParseSpec for a table that the kernel printed. A target that this
// package cannot read becomes Opaque and is written back unchanged.
func SpecOf(name, params string) Spec {
	if spec, err := ParseSpec(name, params); err == nil {
		return spec
	}
	return Opaque{Name: name, Text: trimSpaces(params)}
}
