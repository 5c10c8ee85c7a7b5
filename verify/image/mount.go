package image

import (
	"context"

	"github.com/dmsnapctl/dmsnapctl/verify/internal/fuse"
)

// ErrNoMount is returned where the system has no FUSE.
var ErrNoMount = fuse.ErrUnsupported

// MountedName is the name of the image within the directory of a mount.
const MountedName = "image"

// Mount shows the image as a file, read-only, in a directory, until somebody
// unmounts it or ctx ends. It calls ready once the file can be read, and failed
// with each error that a reader got. The caller must not open the file itself.
func (im *Image) Mount(ctx context.Context, dir string, ready func(), failed func(error)) error {
	return fuse.Serve(ctx, dir, fuse.File{Name: MountedName, Content: im, Size: im.size, OnError: failed}, ready)
}
