package store_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// A store with copies of chunks 7 and 9 of the origin.
var image = cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, 7, 9)}.Bytes()

func ExampleStore_Exceptions() {
	s, err := store.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		log.Fatal(err)
	}
	chunk := s.Geometry().ChunkBytes()
	for e, err := range s.Exceptions(context.Background()) {
		if err != nil {
			log.Print(err) // a part that cannot be read; the rest follows
			continue
		}
		fmt.Printf("origin byte %d is kept at byte %d\n", int64(e.Old)*chunk, int64(e.New)*chunk)
	}
	// Output:
	// origin byte 28672 is kept at byte 8192
	// origin byte 36864 is kept at byte 12288
}
