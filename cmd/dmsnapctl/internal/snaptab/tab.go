package snaptab

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"sync"
	"unicode"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// Entry is a snapshot or a clone to activate at boot.
type Entry struct {
	Line   int // in the table, from 1
	Name   string
	Origin string // a device; for a clone the base: a device or a file
	Store  string // a device; for a clone a device or a file
	Clone  bool
	// NoAuto activates it only when its device is mounted or its unit is
	// started.
	NoAuto bool
	// NoFail keeps local file systems from waiting for it.
	NoFail bool
	// NoOverflow says that the store is invalidated when a write through the
	// snapshot finds no room.
	NoOverflow bool
	// Timeout bounds the activation, in the form of systemd.time(7); "" for
	// none.
	Timeout string
}

// maxLine bounds a line of the table, in bytes.
const maxLine = 64 << 10

// LineError is a mistake in a line of the table.
type LineError struct {
	Line int
	Why  string
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Why) }

// Parse reads a table. It skips lines with mistakes and returns their errors:
// one bad line must not keep the other entries from being activated.
func Parse(r io.Reader) ([]Entry, []error) {
	var entries []Entry
	var wrong []error
	seen := map[string]int{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		fields, why := split(lines.Text())
		if why == "" && len(fields) == 0 {
			continue
		}
		e := Entry{Line: n}
		if why == "" {
			why = e.fill(fields)
		}
		if before := seen[e.Name]; why == "" && before > 0 {
			why = fmt.Sprintf("%q already stands in line %d", e.Name, before)
		}
		if why != "" {
			wrong = append(wrong, &LineError{n, why})
			continue
		}
		seen[e.Name] = n
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil {
		wrong = append(wrong, &LineError{n + 1, err.Error()})
	}
	return entries, wrong
}

// split splits a line at white space. \040 and other octal escapes stand for
// characters, as in fstab(5). A # where a field would begin starts a comment.
func split(line string) (fields []string, why string) {
	for _, f := range strings.Fields(line) {
		if strings.HasPrefix(f, "#") {
			break
		}
		f = octal().ReplaceAllStringFunc(f, func(s string) string {
			return string([]byte{(s[1]-'0')<<6 | (s[2]-'0')<<3 | (s[3] - '0')})
		})
		if strings.ContainsFunc(f, unicode.IsControl) {
			return nil, "a field has a control character"
		}
		fields = append(fields, f)
	}
	return fields, ""
}

var octal = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\\[0-3][0-7][0-7]`) })

// fill reads the fields into the entry. It returns why that fails, or "".
func (e *Entry) fill(fields []string) (why string) {
	if len(fields) < 3 || len(fields) > 4 {
		return fmt.Sprintf("%s, want 3 or 4: NAME ORIGIN STORE [OPTIONS]", count.Of(len(fields), "field"))
	}
	e.Name = fields[0]
	if strings.Contains(e.Name, "/") || e.Name == "." || e.Name == ".." {
		return fmt.Sprintf("%q cannot be the name of a device", e.Name)
	}
	// The unit's command would take it for a flag.
	if strings.HasPrefix(e.Name, "-") {
		return fmt.Sprintf("the name %q begins with a hyphen", e.Name)
	}
	if len(fields) == 4 {
		if why := e.options(fields[3]); why != "" {
			return why
		}
	}
	if e.Origin, why = located(fields[1]); why != "" {
		return "the origin " + why
	}
	if e.Store, why = located(fields[2]); why != "" {
		return "the store " + why
	}
	for _, p := range []string{e.Origin, e.Store} {
		if !e.Clone && !isDevice(p) {
			return fmt.Sprintf("%s is not a device; files need the option clone", p)
		}
	}
	if e.Origin == e.Store {
		return "origin and store are the same"
	}
	return ""
}

func (e *Entry) options(list string) (why string) {
	switches := map[string]*bool{"clone": &e.Clone, "noauto": &e.NoAuto, "nofail": &e.NoFail, "no-overflow": &e.NoOverflow}
	for _, o := range strings.Split(list, ",") {
		name, value, hasValue := strings.Cut(o, "=")
		on := switches[name]
		switch {
		case on != nil && !hasValue:
			*on = true
		case name == "timeout" && timeSpan().MatchString(value):
			e.Timeout = value
		case o == "defaults", o == "auto", o == "":
		default:
			return fmt.Sprintf("unknown option %q", o)
		}
	}
	return ""
}

var timeSpan = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]+(s|min|h)?$`) })

// tags are the ways of fstab(5) to name a device, and where udev keeps the
// links.
var tags = map[string]string{"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel", "ID": "by-id"}

// located returns the path that a field of the table names.
func located(field string) (p, why string) {
	if tag, value, ok := strings.Cut(field, "="); ok && tags[tag] != "" {
		value = strings.Trim(value, `"`)
		if value == "" || strings.Contains(value, "..") {
			return "", fmt.Sprintf("%q does not name a device", field)
		}
		return "/dev/disk/" + tags[tag] + "/" + encoded(value), ""
	}
	if !path.IsAbs(field) {
		return "", fmt.Sprintf("%q is not an absolute path", field)
	}
	return path.Clean(field), ""
}

// encoded encodes a label or the name of a mapped device, as udev does for its
// links and nodes.
func encoded(label string) string {
	var b strings.Builder
	for _, c := range []byte(label) {
		if c >= 0x80 || strings.IndexByte("#+-.:=@_", c) >= 0 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}

func isDevice(p string) bool { return strings.HasPrefix(p, "/dev/") }
