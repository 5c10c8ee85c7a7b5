package transfer

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// TestPieces: pieces are the bytes, in order, and none crosses a multiple of
// PieceBytes.
func TestPieces(t *testing.T) {
	all := make([]byte, 5*PieceBytes)
	for i := range all {
		all[i] = byte(i >> 9)
	}
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64Range(0, 3*PieceBytes).Draw(t, "at")
		b := all[:rapid.IntRange(0, len(all)).Draw(t, "length")]
		var got []byte
		next := at
		for off, piece := range Pieces(at, b) {
			if off != next || len(piece) == 0 || off/PieceBytes != (off+int64(len(piece))-1)/PieceBytes {
				t.Fatalf("%d bytes at %d, after %d", len(piece), off, next)
			}
			got, next = append(got, piece...), next+int64(len(piece))
		}
		if !bytes.Equal(got, b) {
			t.Fatalf("%d other bytes of %d", len(got), len(b))
		}
	})
	for range Pieces(0, all) { // can be left
		break
	}
}
