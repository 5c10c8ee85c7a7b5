//go:build linux

// The second scene: copies that finish out of order by themselves. It needs
// several CPUs, and nothing in it is slow on purpose.

package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/variant"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// StreamTries bounds the crashes until the leaky kernel has leaked. A crash
// leaks only if it hits the kernel between the commits of two areas, with an
// older copy still in flight.
const StreamTries = 12

// Try is one crash of a kernel under its streams.
type Try struct {
	After time.Duration // time from the start of the streams to the crash
	Ending
}

// Tells reports whether the crash hit a kernel with copies in flight, after it
// had committed at least one area.
func (t Try) Tells() bool {
	n := t.Report.Usage.Exceptions
	return n >= scene.ChunkBytes/16 && n < scene.StreamsChunks
}

func (t Try) String() string {
	line := fmt.Sprintf("%.1f s: %v", t.After.Seconds(), t.Report)
	if n := t.Report.Leaks.Chunks; n > 0 {
		line += ", " + count.Of(n, "chunk")
	}
	return line
}

// judge checks what holds after each crash: a stock kernel loses nothing, and
// no kernel leaves a damaged store.
func (t Try) judge() error {
	r := t.Report
	clean := r.Verdict == "clean" && r.Exit == 0 && r.Leaks.Chunks == 0
	leaked := r.Verdict == "leaked" && r.Exit == 1 && r.Leaks.Chunks > 0
	switch {
	case t.Kernel == variant.Stock && (t.Gate != "fixed" || !clean),
		t.Kernel == variant.Leaky.Name && (t.Gate != "leaky" || !clean && !leaked):
		return fmt.Errorf("%s kernel: crashed after %v: its target is %s, and its store %v, %s leaked, exit code %d",
			t.Kernel, t.After, t.Gate, r, count.Of(r.Leaks.Chunks, "chunk"), r.Exit)
	}
	return nil
}

// StreamBoth crashes the stock kernel and the leaky one, both at once, until
// the leaky one has leaked and at least least crashes of the stock one tell
// something. It returns an error if [StreamTries] crashes are not enough, or if
// the stock kernel leaks.
func (s *Stage) StreamBoth(ctx context.Context, kernels [2]Kernel, least int, told func(n int, tries [2]Try)) error {
	telling := 0
	leaked := false
	for n := 1; n <= StreamTries && !(leaked && telling >= least); n++ {
		tries, err := s.streamOnce(ctx, kernels)
		if err != nil {
			return err
		}
		told(n, tries)
		if err := errors.Join(tries[0].judge(), tries[1].judge()); err != nil {
			return err
		}
		if tries[0].Tells() {
			telling++
		}
		leaked = leaked || tries[1].Report.Leaks.Chunks > 0
	}
	switch {
	case !leaked:
		return fmt.Errorf("leaky kernel: nothing leaked in %s", count.Of(StreamTries, "crash", "crashes"))
	case telling < least:
		return fmt.Errorf("stock kernel: only %d of %d crashes had writes in flight and exceptions committed", telling, StreamTries)
	}
	return nil
}

// streamOnce crashes both kernels once, at the same random time.
func (s *Stage) streamOnce(ctx context.Context, kernels [2]Kernel) ([2]Try, error) {
	var tries [2]Try
	after := scene.CrashAfter + rand.N(scene.CrashBefore-scene.CrashAfter)
	return tries, both(ctx, func(ctx context.Context, i int) (err error) {
		tries[i], err = s.stream(ctx, kernels[i], after)
		return err
	})
}

// stream runs one machine on blank disks, crashes it, and judges its store.
func (s *Stage) stream(ctx context.Context, k Kernel, after time.Duration) (Try, error) {
	t := Try{After: after, Ending: Ending{Kernel: k.Name, Store: s.disk(k, "streams-cow"), Origin: s.disk(k, "streams-origin")}}
	if err := errors.Join(blank(t.Origin, scene.StreamsOriginBytes), blank(t.Store, scene.StreamsCOWBytes)); err != nil {
		return t, err
	}
	m := s.machine(k, t.Origin, t.Store, "stream", k.Engine.DiskName(0), k.Engine.DiskName(1))
	streaming := false
	err := s.run(ctx, m, func(step scene.Step, text string, r *lab.Running) {
		switch step {
		case scene.Check:
			t.Version, t.Gate, _ = strings.Cut(text, " ")
		case scene.Streaming:
			streaming = true
			time.AfterFunc(after, r.Crash)
		}
	}, func() error {
		if !streaming {
			return errors.New("the guest ended before its streams began")
		}
		return nil
	})
	if err == nil {
		t.Report, err = s.verify(ctx, t.Store)
	}
	if err != nil {
		return t, fmt.Errorf("%s kernel: %w", k.Name, err)
	}
	return t, nil
}
