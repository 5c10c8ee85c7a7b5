package table

// The rules for the lines of one device's table.

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Check reports what is wrong with the table: the lines must cover the device
// from sector 0 without gaps or overlaps (dm_table_add_target in
// drivers/md/dm-table.c wants adjoining targets), start and end on logical
// blocks of blockBytes, and satisfy the rules of their targets. Errors are
// *SyntaxError; Line counts the table's lines from 1.
func (t Table) Check(blockBytes int) error {
	if len(t) == 0 {
		return &SyntaxError{Line: 1, Rule: "the table is empty"}
	}
	f := follower{known: true}
	for i, target := range t {
		err := checkExtent(target.Start, target.Length)
		if err == nil {
			err = f.next(target.Start, target.Length)
		}
		if err == nil {
			err = target.checkAligned(blockBytes)
		}
		if err == nil {
			err = target.check()
		}
		if err != nil {
			err.Line = i + 1
			return err
		}
	}
	return nil
}

// checkExtent checks one line's start and length.
func checkExtent(start, length cow.Sectors) *SyntaxError {
	switch {
	case length == 0:
		return &SyntaxError{Word: wordLength, Text: "0", Rule: "the length is 0"}
	case start+length < start:
		return &SyntaxError{Word: wordLength, Text: fmt.Sprint(length), Rule: "start plus length exceeds 2^64"}
	}
	return nil
}

func (t Target) checkAligned(blockBytes int) *SyntaxError {
	block := cow.Sectors(max(blockBytes, cow.SectorSize) / cow.SectorSize)
	switch {
	case t.Start%block != 0:
		return &SyntaxError{Word: wordStart, Rule: fmt.Sprintf("the start is not on a logical block of %d bytes", blockBytes)}
	case t.Length%block != 0:
		return &SyntaxError{Word: wordLength, Rule: fmt.Sprintf("the length is not a multiple of the logical block of %d bytes", blockBytes)}
	}
	return nil
}

// follower checks, line by line, that each line begins where the previous one
// ended.
type follower struct {
	end   cow.Sectors // of the lines so far
	known bool        // end is the end of the previous line; false after an unreadable line
}

func (f *follower) next(start, length cow.Sectors) (err *SyntaxError) {
	switch {
	case start < f.end:
		err = &SyntaxError{Word: wordStart, Rule: fmt.Sprintf("lines overlap: the line starts at sector %d, the previous one ends at %d", start, f.end)}
	case start > f.end && f.known:
		err = &SyntaxError{Word: wordStart, Rule: fmt.Sprintf("there is a gap: the line starts at sector %d, the previous one ends at %d", start, f.end)}
	}
	f.end, f.known = start+length, true
	return err
}

// lose records that the end of a line could not be read.
func (f *follower) lose() { f.known = false }
