package table

// Targets of dm-snapshot.

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Store is the kind of a snapshot's exception store.
type Store string

const (
	// Persistent keeps the exceptions on the COW device. A store that fills up
	// becomes invalid.
	Persistent Store = "P"
	// PersistentOverflow is like Persistent, but if a write through the
	// snapshot finds no room, the snapshot stays valid and reports the status
	// Overflow. It needs target version 1.15.0.
	PersistentOverflow Store = "PO"
	// Transient keeps the exceptions in memory only.
	Transient Store = "N"
)

// IsPersistent reports whether the store is on the COW device.
func (s Store) IsPersistent() bool { return s != Transient }

// The feature arguments of a snapshot. They need target version 1.16.0
// (drivers/md/dm-snap.c: parse_snapshot_features).
const (
	DiscardZeroesCOW      = "discard_zeroes_cow"
	DiscardPassdownOrigin = "discard_passdown_origin" // needs DiscardZeroesCOW
)

// SnapshotArgs are the parameters of the targets snapshot and snapshot-merge.
type SnapshotArgs struct {
	Origin, COW string
	Store       Store
	ChunkSize   cow.Sectors // 0 leaves the choice to the kernel
	Features    []string
}

// Params returns the text of the parameters.
func (a SnapshotArgs) Params() string {
	return fmt.Sprintf("%s %s %s %d", quote(a.Origin), quote(a.COW), a.Store, a.ChunkSize) + countedParams(a.Features)
}

// Snapshot shows Origin as it was when the snapshot was made. COW holds what
// has changed since.
type Snapshot SnapshotArgs

func (Snapshot) Type() string     { return gate.SnapshotTarget }
func (s Snapshot) Params() string { return SnapshotArgs(s).Params() }

// SnapshotMerge is the origin while the contents of the COW device are merged
// back into it.
type SnapshotMerge SnapshotArgs

func (SnapshotMerge) Type() string     { return gate.MergeTarget }
func (s SnapshotMerge) Params() string { return SnapshotArgs(s).Params() }

// SnapshotOrigin passes all I/O to Device, and first copies old contents to the
// snapshots of Device.
type SnapshotOrigin struct{ Device string }

func (SnapshotOrigin) Type() string     { return gate.OriginTarget }
func (s SnapshotOrigin) Params() string { return quote(s.Device) }

func parseSnapshotOrigin(c *cursor) Spec { return SnapshotOrigin{Device: c.device("the device")} }

func parseSnapshotArgs(c *cursor) SnapshotArgs {
	a := SnapshotArgs{Origin: c.device("the origin"), COW: c.device("the COW device")}
	a.Store = parseStore(c)
	at := c.next
	a.ChunkSize = c.sectors("the chunk size")
	if c.err == nil {
		if err := cow.CheckChunkSize(cow.Sectors(a.ChunkSize)); err != nil && a.ChunkSize != 0 {
			c.fail(at, "%v", err)
		}
	}
	at = c.next
	a.Features = c.counted("feature arguments")
	checkFeatures(c, at+1, a.Features)
	return a
}

// parseStore reads the store as the kernel does, in upper or lower case
// (drivers/md/dm-exception-store.c: dm_exception_store_create).
func parseStore(c *cursor) Store {
	switch s := c.word("the store"); s {
	case "P", "p":
		return Persistent
	case "PO", "Po", "pO", "po":
		return PersistentOverflow
	case "N", "n":
		return Transient
	default:
		c.fail(c.next-1, "the store must be P, PO or N")
		return ""
	}
}

func checkFeatures(c *cursor, at int, features []string) {
	zeroes := false
	seen := map[string]bool{}
	for i, f := range features {
		if f != DiscardZeroesCOW && f != DiscardPassdownOrigin {
			c.fail(at+i, "a snapshot's features may be %s and %s", DiscardZeroesCOW, DiscardPassdownOrigin)
		}
		if seen[f] {
			c.fail(at+i, "the feature is given twice")
		}
		seen[f] = true
		zeroes = zeroes || f == DiscardZeroesCOW
	}
	if len(features) > 0 && !zeroes {
		c.fail(at, "%s also needs %s", DiscardPassdownOrigin, DiscardZeroesCOW)
	}
}
