package transfer

import "iter"

// PieceBytes is the most to write at once. Linux 6.18 looks for a large folio
// for each part of a write to a file's page cache. If memory is fragmented, the
// search for one of 2 MiB took between 0.1 and 2 seconds in a write of 4 MiB;
// four writes of 1 MiB took 1 ms each.
const PieceBytes = 1 << 20

// Pieces cuts b, which belongs at the offset at, at multiples of PieceBytes. It
// yields each piece with its offset, in order.
func Pieces(at int64, b []byte) iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		for len(b) > 0 {
			n := min(int64(len(b)), PieceBytes-at%PieceBytes)
			if !yield(at, b[:n]) {
				return
			}
			at, b = at+n, b[n:]
		}
	}
}
