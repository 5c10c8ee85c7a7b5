package mend

// What is read ahead while a stage is flushed.

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

// slowFlush is a disk whose flush ends when the test says so.
type slowFlush struct {
	*disk
	end <-chan error
}

func (d slowFlush) Flush() error { return <-d.end }

// The hints are given beside the flush, and nothing runs after the stage, even if
// the flush fails.
func TestMeanwhileRunsBesideTheFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		began, end := make(chan struct{}), make(chan error)
		done := false
		p := &Plan{Title: "copy", Stages: []Stage{{
			Say: "copy", device: slowFlush{&disk{b: make([]byte, 512)}, end}, barrier: true,
			meanwhile: func() { close(began); synctestYield(); done = true },
		}}}
		result := make(chan error)
		go func() { result <- p.Run(context.Background(), nil) }()
		<-began
		end <- broken
		if err := <-result; !errors.Is(err, broken) || !done {
			t.Errorf("%v; done: %v", err, done)
		}
	})
}

// synctestYield lets every other goroutine go as far as it can.
func synctestYield() {
	c := make(chan struct{})
	go close(c)
	<-c
}

// Each batch but the last has the next one read, from its chunks in order.
func TestReclaimReadsTheNextBatchAhead(t *testing.T) {
	s := newScene(kind{chunk: 2, origin: 120 << 10, changed: 60, leaked: 30, mixed: true, seed: 2})
	p, err := Reclaim(ctx, &disk{b: bytes.Clone(s.store)}, ReclaimOptions{BatchBytes: 5 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var ahead []bool
	for i := 0; i < len(p.Stages); i += 2 { // copies and records in turn
		ahead = append(ahead, p.Stages[i].meanwhile != nil)
		if p.Stages[i+1].meanwhile != nil {
			t.Errorf("stage %d reads ahead", i+1)
		}
	}
	if len(ahead) < 3 || slices.Index(ahead, false) != len(ahead)-1 {
		t.Errorf("copies that have the next one read: %v", ahead)
	}
}

func TestSources(t *testing.T) {
	s := newScene(kind{chunk: 2, origin: 120 << 10, changed: 60, seed: 2})
	store, err := examine(ctx, &disk{b: s.store}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var batch []move
	for _, from := range []cow.Chunk{5, 6, 7, 20, 30, 31} {
		batch = append(batch, move{from: from})
	}
	want := []image.Span{{Offset: 5 << 10, Length: 3 << 10}, {Offset: 20 << 10, Length: 1 << 10}, {Offset: 30 << 10, Length: 2 << 10}}
	if diff := cmp.Diff(want, slices.Collect(store.sources(batch))); diff != "" {
		t.Error(diff)
	}
	if got := slices.Collect(store.sources(nil)); len(got) > 0 {
		t.Errorf("of nothing: %v", got)
	}
}
