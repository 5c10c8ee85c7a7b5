package image

import (
	"context"

	"github.com/dmsnapctl/dmsnapctl/verify/internal/fuse"
)

// ErrNoMount is returned if the system has no FUSE.
var ErrNoMount = fuse.ErrUnsupported

// MountedName is the name of the image in the mounted directory.
const MountedName = "image"

// Mount shows the image as a read-only file in the directory dir, until
// somebody unmounts it or ctx ends. It calls ready once the file can be read,
// and failed with each read error. The caller must not open the file itself.
func (im *Image) Mount(ctx context.Context, dir string, ready func(), failed func(error)) error {
	return fuse.Serve(ctx, dir, fuse.File{Name: MountedName, Content: im, Size: im.size, OnError: failed}, ready)
}
