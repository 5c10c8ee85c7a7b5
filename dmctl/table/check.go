package table

// What makes lines a table of one device.

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Check tells whether the lines cover the device from sector 0 on without a
// gap or an overlap (drivers/md/dm-table.c: dm_table_add_target wants
// adjoining targets), start and end on its logical blocks of blockBytes, and
// are what their targets want. Errors are *SyntaxError; Line counts the table's
// lines from 1.
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

// checkExtent is about one line's start and length.
func checkExtent(start, length cow.Sectors) *SyntaxError {
	switch {
	case length == 0:
		return &SyntaxError{Word: wordLength, Text: "0", Rule: "the length is 0"}
	case start+length < start:
		return &SyntaxError{Word: wordLength, Text: fmt.Sprint(length), Rule: "start and length together are over 2^64"}
	}
	return nil
}

func (t Target) checkAligned(blockBytes int) *SyntaxError {
	block := cow.Sectors(max(blockBytes, cow.SectorSize) / cow.SectorSize)
	switch {
	case t.Start%block != 0:
		return &SyntaxError{Word: wordStart, Rule: fmt.Sprintf("the start is not on a logical block of %d bytes", blockBytes)}
	case t.Length%block != 0:
		return &SyntaxError{Word: wordLength, Rule: fmt.Sprintf("the length is not in whole logical blocks of %d bytes", blockBytes)}
	}
	return nil
}

// follower says of one line after the other whether it begins where the one
// before ended.
type follower struct {
	end   cow.Sectors // of the lines up to here
	known bool        // end is that of the line before; else some line between could not be read
}

func (f *follower) next(start, length cow.Sectors) (err *SyntaxError) {
	switch {
	case start < f.end:
		err = &SyntaxError{Word: wordStart, Rule: fmt.Sprintf("lines overlap: the line starts at sector %d, the one before ends at %d", start, f.end)}
	case start > f.end && f.known:
		err = &SyntaxError{Word: wordStart, Rule: fmt.Sprintf("there is a gap: the line starts at sector %d, the one before ends at %d", start, f.end)}
	}
	f.end, f.known = start+length, true
	return err
}

// lose says that the end of a line could not be read.
func (f *follower) lose() { f.known = false }
