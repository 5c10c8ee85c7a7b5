// Progress of copies: how much of how much, how fast, and how long still.

package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
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

// startCopyProgress begins to show what update is told; stop takes it away.
func startCopyProgress(o *console) *copyProgress {
	p := &copyProgress{o: o, start: time.Now(), end: make(chan struct{})}
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
	return p
}

func (p *copyProgress) update(done, total int64) {
	p.mu.Lock()
	p.done, p.total = done, total
	p.mu.Unlock()
}

func (p *copyProgress) stop() {
	close(p.end)
	p.group.Wait()
}

func (p *copyProgress) line(at time.Time) string {
	p.mu.Lock()
	done, total, took := p.done, p.total, at.Sub(p.start)
	p.mu.Unlock()
	line := fmt.Sprintf("dmsnapctl: %s: %s of %s", p.o.command, output.Bytes(uint64(done)), output.Bytes(uint64(total)))
	if done == 0 || took <= 0 {
		return line
	}
	rate := float64(done) / took.Seconds()
	return line + fmt.Sprintf(", %s/s, %s left", output.Bytes(uint64(rate)), roughly(float64(max(0, total-done))/rate))
}
