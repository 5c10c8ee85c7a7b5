// Progress of copies: how much of how much, how fast, and how long still.

package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// copyProgress shows how far a copy has come: on a terminal after the first
// second, and whenever SIGUSR1 asks for it.
type copyProgress struct {
	o     *console
	start time.Time
	end   chan struct{}
	group sync.WaitGroup

	mu          sync.Mutex
	done, total int64
}

// startCopyProgress starts to show what update reports; stop removes it.
func startCopyProgress(o *console) *copyProgress {
	p := newCopyProgress(o)
	p.begin()
	return p
}

// newCopyProgress shows nothing until it begins.
func newCopyProgress(o *console) *copyProgress {
	return &copyProgress{o: o, end: make(chan struct{})}
}

func (p *copyProgress) begin() {
	p.start = time.Now()
	o := p.o
	asked, forget := askedForProgress()
	p.group.Go(func() {
		defer forget()
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		shown := false
		clear := func() {
			if shown {
				_, _ = fmt.Fprint(o.err, "\r\x1b[K")
			}
			shown = false
		}
		for {
			select {
			case <-ticker.C:
				if o.progress && time.Since(p.start) >= progressAfter {
					_, _ = fmt.Fprintf(o.err, "\r\x1b[K%s", p.line(time.Now()))
					shown = true
				}
			case <-asked:
				clear()
				_, _ = fmt.Fprintln(o.err, p.line(time.Now()))
			case <-p.end:
				clear()
				return
			}
		}
	})
}

func (p *copyProgress) update(done, total int64) {
	p.mu.Lock()
	p.done, p.total = done, total
	p.mu.Unlock()
}

// metered returns r with its reads shown by p, for a number of passes over a
// store's list. Further passes become known when they begin.
func (p *copyProgress) metered(r io.ReaderAt, report *verify.Report, passes int64) io.ReaderAt {
	one := int64(0)
	if u := report.Usage; u != nil && report.Header != nil {
		one = int64(u.Areas) * int64(report.Header.ChunkSectors) * cow.SectorSize
	}
	return &meter{ReaderAt: r, to: p, pass: max(1, one), total: max(1, one*passes)}
}

// meter counts what is read.
type meter struct {
	io.ReaderAt
	to          *copyProgress
	pass, total int64 // bytes
}

// ReadAt implements io.ReaderAt.
func (m *meter) ReadAt(b []byte, off int64) (int, error) {
	n, err := m.ReaderAt.ReadAt(b, off)
	m.to.mu.Lock()
	defer m.to.mu.Unlock()
	m.to.done += int64(n)
	m.to.total = max(m.to.total, m.total, (m.to.done+m.pass-1)/m.pass*m.pass)
	return n, err
}

func (p *copyProgress) stop() {
	close(p.end)
	p.group.Wait()
}

func (p *copyProgress) line(at time.Time) string {
	p.mu.Lock()
	done, total, took := p.done, p.total, at.Sub(p.start)
	p.mu.Unlock()
	line := fmt.Sprintf("dmsnapctl: %s: %s of %s", p.o.command, count.Bytes(uint64(done)), count.Bytes(uint64(total)))
	if done == 0 || took <= 0 {
		return line
	}
	rate := float64(done) / took.Seconds()
	return line + fmt.Sprintf(", %s/s, %s left", count.Bytes(uint64(rate)), roughly(float64(max(0, total-done))/rate))
}
