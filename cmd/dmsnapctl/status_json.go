// Snapshots for machines: the JSON of status and list.

package main

import (
	"context"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// snapshotJSON is a snapshot for machines. Sizes are in sectors.
type snapshotJSON struct {
	Name         string      `json:"name"`
	State        string      `json:"state"`
	Origin       string      `json:"origin"`
	OriginDevice string      `json:"origin_device"`
	COW          string      `json:"cow"`
	Persistent   bool        `json:"persistent"`
	ChunkSectors cow.Sectors `json:"chunk_sectors"`
	fullnessJSON
	EventNr   uint32 `json:"event_nr"`
	Suspended bool   `json:"suspended"`
	UUID      string `json:"uuid"`
	Kind      string `json:"kind"`
	Base      string `json:"base,omitempty"`
	Store     string `json:"store,omitempty"`
}

// fullnessJSON is null if the kernel's status line is a word instead of figures,
// and the store was not read.
type fullnessJSON struct {
	AllocatedSectors *cow.Sectors `json:"allocated_sectors"`
	TotalSectors     *cow.Sectors `json:"total_sectors"`
	MetadataSectors  *cow.Sectors `json:"metadata_sectors"`
	UsedPercent      *float64     `json:"used_percent"`
}

func fullnessForMachines(s dmctl.Snapshot) (f fullnessJSON) {
	if !s.HasFigures() {
		return f
	}
	f = fullnessJSON{AllocatedSectors: &s.Allocated, TotalSectors: &s.Total, UsedPercent: &s.UsedPercent}
	if s.HasMetadata {
		f.MetadataSectors = &s.Metadata
	}
	return f
}

type snapshotsJSON struct {
	Schema    string         `json:"schema"`
	Snapshots []snapshotJSON `json:"snapshots"`
	Advice    []advice       `json:"advice"`
}

func snapshotsForMachines(o *console, snapshots []dmctl.Snapshot) snapshotsJSON {
	out := snapshotsJSON{Schema: schemaOf(o.command), Snapshots: []snapshotJSON{}, Advice: []advice{}}
	for _, s := range snapshots {
		out.Snapshots = append(out.Snapshots, snapshotForMachines(s))
	}
	return out
}

// fillFromStores fills in the figures of invalid snapshots, which the kernel does
// not report. It warns about a store that cannot be read.
func fillFromStores(ctx context.Context, o *console, ctl *dmctl.Controller, snapshots []dmctl.Snapshot) {
	for i := range snapshots {
		if err := ctl.FillFromStore(ctx, &snapshots[i]); err != nil {
			o.warnf("%s: how full its store is: %w", snapshots[i].Name, err)
		}
	}
}

func snapshotForMachines(s dmctl.Snapshot) snapshotJSON {
	return snapshotJSON{
		Name: s.Name, State: s.State, Origin: s.Origin, OriginDevice: s.OriginDevice, COW: s.COW,
		Persistent: s.Persistent, ChunkSectors: s.ChunkSectors,
		fullnessJSON: fullnessForMachines(s), EventNr: s.EventNr, Suspended: s.Suspended, UUID: s.UUID,
		Kind: s.Kind, Base: s.Base, Store: s.Store,
	}
}
