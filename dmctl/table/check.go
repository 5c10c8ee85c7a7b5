package table

// What makes lines a table of one device.

import "fmt"

// Check tells whether the lines cover the device from sector 0 on without a
// gap or an overlap (drivers/md/dm-table.c: dm_table_add_target wants
// adjoining targets), and start and end on its logical blocks of blockBytes.
// Errors are *SyntaxError; Line counts the table's lines from 1.
func (t Table) Check(blockBytes int) error {
	if len(t) == 0 {
		return &SyntaxError{Line: 1, Rule: "the table is empty"}
	}
	block := Sectors(max(blockBytes, SectorBytes) / SectorBytes)
	var end Sectors
	for i, target := range t {
		fail := func(word int, rule string, args ...any) error {
			return &SyntaxError{Line: i + 1, Word: word, Rule: fmt.Sprintf(rule, args...)}
		}
		switch {
		case target.Length == 0:
			return fail(2, "the length is 0")
		case target.Start+target.Length < target.Start:
			return fail(2, "start and length together are over 2^64")
		case target.Start > end:
			return fail(1, "there is a gap: the line starts at sector %d, the one before ends at %d", target.Start, end)
		case target.Start < end:
			return fail(1, "lines overlap: the line starts at sector %d, the one before ends at %d", target.Start, end)
		case target.Start%block != 0:
			return fail(1, "the start is not on a logical block of %d bytes", blockBytes)
		case target.Length%block != 0:
			return fail(2, "the length is not in whole logical blocks of %d bytes", blockBytes)
		}
		end = target.Start + target.Length
	}
	return nil
}
