package main

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"
)

func TestWaitingIsToldOnceAndNotByHiccups(t *testing.T) {
	told := 0
	r := &patientReader{wait: func() { told++ }}
	for range 100 { // every other read was interrupted
		r.took(10 * slowRead)
		r.took(time.Microsecond)
	}
	if told != 0 {
		t.Fatalf("told of waiting by hiccups")
	}
	for range 3 * waitingScore {
		r.took(slowRead)
	}
	if told != 1 {
		t.Errorf("told %d times of a slow device, want once", told)
	}
}

// roomy is a reader with a cache.
type roomy struct {
	io.ReaderAt
	offset, length int64 // as asked for
}

func (r *roomy) CacheRoom() int64 { return 7 }

func (r *roomy) Prefetch(ctx context.Context, offset, length int64) error {
	r.offset, r.length = offset, length
	return ctx.Err()
}

// TestPatienceHidesNoCache: the cache of the reader below is used.
func TestPatienceHidesNoCache(t *testing.T) {
	below := &roomy{}
	r := newPatientReader(below)
	if room := r.CacheRoom(); room != 7 {
		t.Errorf("room for %d bytes, want 7", room)
	}
	if err := r.Prefetch(context.Background(), 3, 4); err != nil || below.offset != 3 || below.length != 4 {
		t.Errorf("%v, %d bytes at %d were read", err, below.length, below.offset)
	}
	r = newPatientReader(bytes.NewReader(nil))
	if room, err := r.CacheRoom(), r.Prefetch(context.Background(), 0, 1); room != 0 || err != nil {
		t.Errorf("without a cache: room for %d bytes, %v", room, err)
	}
}
