// Progress of long reads: a line on stderr, after the first second and
// whenever SIGUSR1 asks for it.

package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

const (
	progressAfter = time.Second
	progressEvery = 500 * time.Millisecond
)

// progress shows how far a judge has come.
type progress struct {
	out    io.Writer
	path   string
	start  time.Time
	shown  bool // the line is on the terminal
	mu     sync.Mutex
	now    verify.Progress
	since  time.Time // when the pass began
	closed chan struct{}
	group  sync.WaitGroup
}

// startProgress starts to watch a judge that reports to update. The line
// appears by itself if o wants progress; stop removes it.
func startProgress(o *console, path string) *progress {
	p := &progress{out: o.err, path: path, start: time.Now(), closed: make(chan struct{})}
	asked, forget := askedForProgress()
	p.group.Go(func() {
		defer forget()
		var tick <-chan time.Time
		if o.progress {
			ticker := time.NewTicker(progressEvery)
			defer ticker.Stop()
			tick = ticker.C
		}
		for {
			select {
			case <-tick:
				if time.Since(p.start) >= progressAfter {
					p.shown = true
					_, _ = fmt.Fprintf(p.out, "\r\x1b[K%s", p.line(time.Now()))
				}
			case <-asked:
				p.clear()
				_, _ = fmt.Fprintln(p.out, p.line(time.Now()))
			case <-p.closed:
				p.clear()
				return
			}
		}
	})
	return p
}

// clear removes the line from the terminal.
func (p *progress) clear() {
	if p.shown {
		p.shown = false
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *progress) update(now verify.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A store that is active is read again from its beginning, in pass 1.
	if p.since.IsZero() || now.Pass != p.now.Pass || now.Area < p.now.Area {
		p.since = time.Now()
	}
	p.now = now
}

func (p *progress) stop() {
	close(p.closed)
	p.group.Wait()
}

// line says how far the judge is, how fast, and how long the current pass will
// take. In the first pass that is the most it can take, because the end of the
// list is known only when it is reached.
func (p *progress) line(at time.Time) string {
	p.mu.Lock()
	now, took := p.now, at.Sub(p.since)
	p.mu.Unlock()
	most := ""
	if now.Pass <= 1 {
		most = "at most "
	}
	line := fmt.Sprintf("dmsnapctl: verify %s: area %d of %s%d", output.Name(p.path), now.Area, most, now.Areas)
	if now.Pass > 1 {
		line += fmt.Sprintf(", pass %d", now.Pass)
	}
	if now.Area == 0 || took <= 0 {
		return line
	}
	rate := float64(now.Area) / took.Seconds()
	seconds := float64(max(now.Areas, now.Area)-now.Area) / rate
	line += fmt.Sprintf(", %s/s of metadata, %s%s left", count.Bytes(uint64(rate*float64(now.ChunkBytes))), most, roughly(seconds))
	if now.More {
		line += " in this pass, another follows"
	}
	return line
}

// roughly formats a number of seconds, which may be too large for a
// time.Duration.
func roughly(seconds float64) string {
	const day = 24 * 60 * 60
	if seconds >= 2*day {
		return fmt.Sprintf("%.0f days", seconds/day)
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}
