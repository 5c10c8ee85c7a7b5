package mend

import (
	"errors"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// TestApplyOfAStoreWithinTheImage: data that looks like the area of another store
// is left in its place, and is no failure.
func TestApplyOfAStoreWithinTheImage(t *testing.T) {
	const inner = 8 << 10 // the place of COW chunk 8, and of area 0 with chunks of 8 KiB
	store := &disk{b: cowtest.Store{Chunk: 2, Exceptions: cowtest.Canonical(2, cowtest.Run(5, 9)...), DeviceChunks: 30}.Bytes()}
	copy(store.b[inner:], cow.Exception{Old: 9, New: 2}.AppendTo(nil))
	p, im, err := Apply(ctx, store, &disk{b: make([]byte, 64<<10)})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	mustRun(t, p, nil)
	r, err := verify.Verify(ctx, store, store.Size(), verify.Options{})
	if err != nil || !errors.Is(r.Err(), verify.ErrHeaderLost) {
		t.Errorf("%+v, %v", r, err)
	}
	if err := checkEmptied(ctx, store, inner, 8<<10); !errors.Is(err, verify.ErrDamaged) {
		t.Errorf("if it were the area: %v", err)
	}
}
