package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

// endingReader ends a context after some reads.
type endingReader struct {
	io.ReaderAt
	left int
	end  func()
}

func (r *endingReader) ReadAt(p []byte, off int64) (int, error) {
	if r.left--; r.left == 0 {
		r.end()
	}
	return r.ReaderAt.ReadAt(p, off)
}

// The checksum of an origin shows how far it is, and ends with its context.
func TestChecksumOfAnOrigin(t *testing.T) {
	data := bytes.Repeat([]byte("origin"), checksumPiece)
	size := int64(len(data)) - 5
	shown := newCopyProgress(&console{})
	got, err := checksumOf(context.Background(), bytes.NewReader(data), size, shown)
	if want := fmt.Sprintf("%x", sha256.Sum256(data[:size])); err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	if shown.done != size || shown.total != size {
		t.Errorf("%d of %d bytes are shown, want all %d", shown.done, shown.total, size)
	}
	ctx, end := context.WithCancel(context.Background())
	defer end()
	r := &endingReader{bytes.NewReader(data), 2, end}
	shown = newCopyProgress(&console{})
	if _, err := checksumOf(ctx, r, size, shown); !errors.Is(err, context.Canceled) || r.left != 0 || shown.done != 2*checksumPiece {
		t.Errorf("interrupted: %v, after %d bytes", err, shown.done)
	}
	if _, err := checksumOf(context.Background(), bytes.NewReader(data), int64(len(data))+1, shown); !errors.Is(err, io.EOF) {
		t.Errorf("an origin that ends early: %v", err)
	}
}

// The undo store of a lost header shows how far it is.
func TestProgressOfAnUndoStore(t *testing.T) {
	b := newToolbox(t)
	b.damage(func(store []byte) { clear(store[:512]) })
	f, err := blockdev.OpenWriter("store")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dev := target{f}
	p, err := mend.Repair(context.Background(), dev, mend.RepairOptions{})
	if err != nil || !p.Beyond {
		t.Fatalf("%+v, %v", p, err)
	}
	to, err := output.To("undo", output.Options{Private: true, New: true})
	if err != nil {
		t.Fatal(err)
	}
	shown := newCopyProgress(&console{})
	if err := saveUndo(context.Background(), to, p, dev, shown); err != nil || shown.done == 0 || shown.done != shown.total {
		t.Errorf("%v: %d of %d bytes are shown", err, shown.done, shown.total)
	}
}
