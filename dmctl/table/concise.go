package table

// The concise form, one line for any number of devices, as dmsetup and the
// kernel's dm-mod.create= read it:
//
//	name,uuid,minor,flags,table[,table...][;name,...]
//
// A backslash escapes a comma, a semicolon or a backslash (dmsetup(8)). The
// kernel does not: for it, no field may contain any of the three
// (Documentation/admin-guide/device-mapper/dm-init.rst).

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Places of fields.
const (
	conciseName  = 1
	conciseMinor = 3
	conciseTable = 5 // its first line
)

// Device is a device of the concise form.
type Device struct {
	Name, UUID string
	Minor      string // a number, or "" to leave it to the kernel
	ReadOnly   bool
	Table      Table
}

// FormatConcise writes devices in the concise form, without a newline.
func FormatConcise(devices []Device) string {
	texts := make([]string, len(devices))
	for i, d := range devices {
		flags := "rw"
		if d.ReadOnly {
			flags = "ro"
		}
		fields := []string{escapeEnds(escapeConcise(d.Name)), escapeEnds(escapeConcise(d.UUID)), d.Minor, flags}
		for _, target := range d.Table {
			fields = append(fields, escapeLine(target.String()))
		}
		texts[i] = strings.Join(fields, ",")
	}
	return strings.Join(texts, ";")
}

func escapeConcise(field string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, ";", `\;`).Replace(field)
}

// escapeLine keeps the white space at the end of a table line if it is part of
// the last word, that is, if the line has a backslash before it. Other white
// space there has no meaning.
func escapeLine(line string) string {
	if trimmed := strings.TrimRight(line, " \t\n\v\f\r"); !strings.HasSuffix(trimmed, `\`) {
		return escapeConcise(line)
	}
	return escapeEnds(escapeConcise(line))
}

// escapeEnds keeps the white space at the ends of a field, which a reader would
// otherwise strip.
func escapeEnds(field string) string {
	inner := strings.TrimFunc(field, func(r rune) bool { return r < utf8.RuneSelf && isSpace(byte(r)) })
	lead := strings.Index(field, inner)
	var b strings.Builder
	for i := range len(field) {
		if i < lead || i >= lead+len(inner) {
			b.WriteByte('\\')
		}
		b.WriteByte(field[i])
	}
	return b.String()
}

// ParseConcise reads the concise form. It strips white space around fields. In
// errors, which are *SyntaxError, Line counts the devices and Word the fields.
func ParseConcise(text string) ([]Device, error) {
	var devices []Device
	for i, fields := range splitConcise(text) {
		d, err := parseConciseDevice(fields)
		if err != nil {
			err.Line = i + 1
			return nil, err
		}
		devices = append(devices, d)
	}
	return devices, nil
}

func parseConciseDevice(fields []string) (Device, *SyntaxError) {
	if len(fields) < 4 {
		return Device{}, &SyntaxError{Rule: "a device needs the fields name, uuid, minor and flags, followed by its table lines"}
	}
	d := Device{Name: fields[0], UUID: fields[1], Minor: fields[2]}
	if d.Name == "" {
		return d, &SyntaxError{Word: conciseName, Rule: "the name is missing"}
	}
	if err := CheckMinor(d.Minor); err != nil {
		return d, &SyntaxError{Word: conciseMinor, Text: d.Minor, Rule: err.Error()}
	}
	switch fields[3] {
	case "ro":
		d.ReadOnly = true
	case "rw", "":
	default:
		return d, &SyntaxError{Word: 4, Text: fields[3], Rule: "the flags must be rw or ro"}
	}
	for i, line := range fields[4:] {
		target, err := parseLine(line)
		if err != nil {
			return d, &SyntaxError{Word: conciseTable + i, Text: line, Rule: fmt.Sprintf("word %d: %s", err.Word, err.Rule)}
		}
		d.Table = append(d.Table, target)
	}
	return d, nil
}

// Check reports what is wrong with the device: its minor number must be valid,
// and its lines, if any, must form a table. A device without lines is valid,
// because dmsetup prints one for a device without a table. Errors are
// *SyntaxError; Word counts the fields.
func (d Device) Check() error {
	if err := CheckMinor(d.Minor); err != nil {
		return &SyntaxError{Line: 1, Word: conciseMinor, Text: d.Minor, Rule: err.Error()}
	}
	var bad *SyntaxError
	if len(d.Table) > 0 && errors.As(d.Table.Check(cow.SectorSize), &bad) {
		field := bad.Line - 1
		return &SyntaxError{Line: 1, Word: conciseTable + field, Text: d.Table[field].String(), Rule: fmt.Sprintf("word %d: %s", bad.Word, bad.Rule)}
	}
	return nil
}

// minorBits is the width of the kernel's minor numbers
// (include/linux/kdev_t.h).
const minorBits = 20

// CheckMinor returns an error if a text is neither a minor number nor "", which
// stands for none.
func CheckMinor(text string) error {
	if _, err := strconv.ParseUint(text, 10, minorBits); text != "" && err != nil {
		return fmt.Errorf("a minor number is between 0 and %d", 1<<minorBits-1)
	}
	return nil
}

// splitConcise splits the text into devices and those into fields, without
// their backslashes. It skips empty devices.
func splitConcise(text string) [][]string {
	var devices [][]string
	var fields []string
	var field conciseField
	endDevice := func() {
		fields = append(fields, field.take())
		if len(fields) > 1 || fields[0] != "" {
			devices = append(devices, fields)
		}
		fields = nil
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			field.add(text[i], true)
		case c == ',':
			fields = append(fields, field.take())
		case c == ';':
			endDevice()
		default:
			field.add(c, false)
		}
	}
	endDevice()
	return devices
}

// conciseField collects a field and drops the white space at its ends, except
// white space that follows a backslash.
type conciseField struct {
	text []byte
	keep int // length up to the last byte that is not white space
}

func (f *conciseField) add(c byte, escaped bool) {
	if !escaped && isSpace(c) {
		if f.keep > 0 {
			f.text = append(f.text, c)
		}
		return
	}
	f.text = append(f.text, c)
	f.keep = len(f.text)
}

func (f *conciseField) take() string {
	s := string(f.text[:f.keep])
	f.text, f.keep = f.text[:0], 0
	return s
}
