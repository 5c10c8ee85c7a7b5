package image

import (
	"bytes"
	"context"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// FuzzHostileStores: for any store, images and deltas end, stay within the
// origin, and read nothing that does not exist.
func FuzzHostileStores(f *testing.F) {
	seed := newFixture(f, 1, layout{chunk: 1, origin: 64 << 10, changed: 40, leaked: 3, mixed: true})
	f.Add(seed.store)
	f.Add(seed.store[:700])
	f.Fuzz(func(t *testing.T, b []byte) {
		ctx := context.Background()
		origin := seed.origin
		im, _, err := Open(ctx, Source{
			Store: bytes.NewReader(b), StoreSize: int64(len(b)), Origin: bytes.NewReader(origin), OriginSize: int64(len(origin)),
		}, Options{BestEffort: true})
		if err == nil {
			var raw file
			if err := im.WriteRaw(ctx, &raw, nil); err != nil {
				t.Fatalf("an image that was made cannot be read: %v", err)
			}
			if len(raw.b) != len(origin) {
				t.Fatalf("%d bytes for an origin of %d", len(raw.b), len(origin))
			}
			n, err := length(im.Changed())
			if err != nil || n > int64(len(origin)) {
				t.Fatalf("%d bytes changed, %v", n, err)
			}
		}
		for _, size := range []int64{0, int64(len(origin))} {
			st, err := store.Open(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				continue
			}
			st.OriginBytes = size
			end := int64(-1)
			for s, err := range NewDelta(st, 1).Spans(ctx) {
				if err != nil {
					t.Fatal(err)
				}
				if s.Offset <= end || s.Length <= 0 || s.End() < 0 || size > 0 && s.End() > size {
					t.Fatalf("span %+v behind %d", s, end)
				}
				end = s.End()
			}
		}
	})
}
