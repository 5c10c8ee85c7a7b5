// Progress of long readings: a line on stderr, after the first second, and
// whenever SIGUSR1 asks for it.

package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify"
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
	shown  bool // the line stands on the terminal
	mu     sync.Mutex
	now    verify.Progress
	closed chan struct{}
	group  sync.WaitGroup
}

// startProgress begins to watch a judge that reports to update. The line is
// shown by itself where o wants progress; stop takes it away.
func startProgress(o *output, path string) *progress {
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
					_, _ = fmt.Fprintf(p.out, "\r\x1b[K%s", p.line(time.Since(p.start)))
				}
			case <-asked:
				p.clear()
				_, _ = fmt.Fprintln(p.out, p.line(time.Since(p.start)))
			case <-p.closed:
				p.clear()
				return
			}
		}
	})
	return p
}

// clear takes the line off the terminal.
func (p *progress) clear() {
	if p.shown {
		p.shown = false
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *progress) update(now verify.Progress) {
	p.mu.Lock()
	p.now = now
	p.mu.Unlock()
}

func (p *progress) stop() {
	close(p.closed)
	p.group.Wait()
}

// line says how far it is, how fast, and for how long at most: where the list
// of exceptions ends is known when it is reached.
func (p *progress) line(took time.Duration) string {
	p.mu.Lock()
	now := p.now
	p.mu.Unlock()
	line := fmt.Sprintf("dmsnapctl: verify %s: area %d of at most %d", printable(p.path), now.Area, now.Areas)
	if now.Pass > 1 {
		line += fmt.Sprintf(", pass %d", now.Pass)
	}
	if now.Area == 0 || took <= 0 {
		return line
	}
	rate := float64(now.Area) / took.Seconds()
	left := time.Duration(float64(now.Areas-now.Area) / rate * float64(time.Second))
	return fmt.Sprintf("%s, %s/s of metadata, at most %v left", line, formatBytes(uint64(rate*float64(now.ChunkBytes))), left.Round(time.Second))
}
