// Package crashtest changes logs of dm-log-writes for tests, into those of disks
// or targets that break a rule.
package crashtest

import (
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// Swallow returns a log without the flushes after a mark that no commit of the
// store follows: a snapshot target that keeps its own order, and swallows what its
// users flush. store is the store's first sector. Sectors of the log must be 512
// bytes.
func Swallow(l *logwrites.Log, mark string, store, chunk cow.Sectors) (log []byte, dropped int, err error) {
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		return nil, 0, err
	}
	from, _ := l.FindMark(mark)
	drop := map[int]bool{}
	commits := false // behind this entry, before the next flush
	for i := l.Len() - 1; i > from; i-- {
		e := l.Entry(i)
		switch {
		case e.Flags&logwrites.Flush != 0:
			drop[i] = !commits && e.Sectors == 0
			commits = false
		case e.Flags&logwrites.FUA != 0 && e.Sectors > 0 && e.Sector >= uint64(store):
			at := (e.Sector - uint64(store)) / uint64(chunk)
			commits = commits || isArea(g, at)
		}
	}
	for _, is := range drop {
		if is {
			dropped++
		}
	}
	log, err = Rewrite(l, func(entries []Entry) (kept []Entry) {
		for i, e := range entries {
			if !drop[i] {
				kept = append(kept, e)
			}
		}
		return kept
	})
	return log, dropped, err
}

// isArea reports whether a chunk of a store is one of its areas.
func isArea(g cow.Geometry, chunk uint64) bool {
	for area := uint64(0); ; area++ {
		switch at := uint64(g.AreaChunk(area)); {
		case at == chunk:
			return true
		case at > chunk:
			return false
		}
	}
}
