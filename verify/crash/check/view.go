package check

import (
	"context"
	"fmt"
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

// Layout is where the origin and the stores lie on the logged device.
type Layout struct {
	Origin crash.Region
	COW    []crash.Region
}

// View is an image of a disk.
type View struct {
	io.ReaderAt
	Size  int64 // bytes
	close func() error
}

// Close frees what the view keeps. The disk stays open.
func (v *View) Close() error {
	if v.close == nil {
		return nil
	}
	return v.close()
}

// viewMemory is the memory for the exceptions of a snapshot's image; more go to a file.
const viewMemory = 8 << 20 // bytes

// Open returns a view of a disk of size bytes. For a snapshot, it fails if the
// store is damaged or was invalidated.
func (l Layout) Open(ctx context.Context, disk io.ReaderAt, size int64, view crash.View, store int) (*View, error) {
	switch view {
	case crash.DiskView:
		return &View{ReaderAt: disk, Size: size}, nil
	case crash.OriginView:
		part := l.Origin.In(disk)
		return &View{ReaderAt: part, Size: part.Size()}, nil
	}
	if store < 0 || store >= len(l.COW) {
		return nil, fmt.Errorf("no store %d", store)
	}
	origin, cow := l.Origin.In(disk), l.COW[store].In(disk)
	im, _, err := image.Open(ctx, image.Source{
		Store: cow, StoreSize: cow.Size(), Origin: origin, OriginSize: origin.Size(),
	}, image.Options{MemoryBytes: viewMemory})
	if err != nil {
		return nil, err
	}
	return &View{ReaderAt: im, Size: im.Size(), close: im.Close}, nil
}
