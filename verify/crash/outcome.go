// What is wrong with one state.

package crash

// outcome sums up the verdicts on all stores.
type outcome struct {
	corrupt   bool
	abandoned bool
	leaked    uint64
	stale     uint64
	broken    int
	lost      bool // data that the layer above flushed is lost
	seen      uint64
}

func (o *outcome) add(i int, s *store) {
	d := s.verdict()
	o.corrupt = o.corrupt || d.corrupt
	o.abandoned = o.abandoned || d.state == abandoned
	o.leaked += d.leaked
	o.stale += d.stale
	o.broken += d.broken
	o.seen ^= mix(uint64(i), s.seen)
}
