package table

// The targets of dm-snapshot.

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Store is the kind of exception store that a snapshot keeps.
type Store string

const (
	// Persistent keeps the exceptions on the COW device; a store that is full
	// is invalidated.
	Persistent Store = "P"
	// PersistentOverflow is Persistent that tells a write through the
	// snapshot which finds no room by the status Overflow, and stays valid.
	// Target versions from 1.15.0 on.
	PersistentOverflow Store = "PO"
	// Transient keeps the exceptions in memory only.
	Transient Store = "N"
)

// IsPersistent says whether the store is on the COW device.
func (s Store) IsPersistent() bool { return s != Transient }

// The feature arguments of a snapshot, target versions from 1.16.0 on
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

// Params is the text of the parameters.
func (a SnapshotArgs) Params() string {
	return fmt.Sprintf("%s %s %s %d", quote(a.Origin), quote(a.COW), a.Store, a.ChunkSize) + countedParams(a.Features)
}

// Snapshot shows Origin as it was, with what was changed since kept on COW.
type Snapshot SnapshotArgs

func (Snapshot) Type() string     { return "snapshot" }
func (s Snapshot) Params() string { return SnapshotArgs(s).Params() }

// SnapshotMerge is the origin while what the COW device kept goes back to it.
type SnapshotMerge SnapshotArgs

func (SnapshotMerge) Type() string     { return "snapshot-merge" }
func (s SnapshotMerge) Params() string { return SnapshotArgs(s).Params() }

// SnapshotOrigin passes all I/O on to Device and has old contents copied to
// the snapshots of Device first.
type SnapshotOrigin struct{ Device string }

func (SnapshotOrigin) Type() string     { return "snapshot-origin" }
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

// parseStore reads the store as the kernel does, whose first letter may be
// small (drivers/md/dm-exception-store.c: dm_exception_store_create).
func parseStore(c *cursor) Store {
	switch s := c.word("the store"); s {
	case "P", "p":
		return Persistent
	case "PO", "Po", "pO", "po":
		return PersistentOverflow
	case "N", "n":
		return Transient
	default:
		c.fail(c.next-1, "the store is none of P, PO and N")
		return ""
	}
}

func checkFeatures(c *cursor, at int, features []string) {
	zeroes := false
	seen := map[string]bool{}
	for i, f := range features {
		if f != DiscardZeroesCOW && f != DiscardPassdownOrigin {
			c.fail(at+i, "a snapshot's features are %s and %s", DiscardZeroesCOW, DiscardPassdownOrigin)
		}
		if seen[f] {
			c.fail(at+i, "the feature is given twice")
		}
		seen[f] = true
		zeroes = zeroes || f == DiscardZeroesCOW
	}
	if len(features) > 0 && !zeroes {
		c.fail(at, "%s needs %s beside it", DiscardPassdownOrigin, DiscardZeroesCOW)
	}
}
