package wire

// What follows the header: targets, lists of devices and versions,
// dependencies, messages. Each entry says where the next one is; this is
// checked against the length of the answer.

import (
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// Target is struct dm_target_spec with its text: a table's line on the way
// in, a table's or status line on the way out. Start and Length are sectors.
type Target struct {
	Start, Length uint64
	Type          string
	Params        string
}

// Offsets in struct dm_target_spec.
const (
	specLength = 8
	specStatus = 16
	specNext   = 20
	specType   = 24
	specSize   = 40
	typeArray  = 16 // DM_MAX_TYPE_NAME, the zero byte included
)

// encodeTargets returns the payload of a table load.
func encodeTargets(targets []Target) ([]byte, error) {
	var buf []byte
	for _, t := range targets {
		if t.Type == "" || len(t.Type) >= typeArray || strings.IndexByte(t.Type, 0) >= 0 {
			return nil, fmt.Errorf("target type %.40q: it must have 1 to %d bytes", t.Type, typeArray-1)
		}
		if strings.IndexByte(t.Params, 0) >= 0 {
			return nil, fmt.Errorf("parameters of target %s: they have a zero byte", t.Type)
		}
		size := align8(specSize + len(t.Params) + 1)
		if len(buf)+size > maxAnswer {
			return nil, fmt.Errorf("table of %d targets: it is too long to load", len(targets))
		}
		spec := make([]byte, size)
		native.PutUint64(spec, t.Start)
		native.PutUint64(spec[specLength:], t.Length)
		native.PutUint32(spec[specNext:], uint32(size))
		copy(spec[specType:specType+typeArray], t.Type)
		copy(spec[specSize:], t.Params)
		buf = append(buf, spec...)
	}
	return buf, nil
}

// decodeTargets reads an answer of count targets.
func decodeTargets(payload []byte, count uint32) ([]Target, error) {
	var targets []Target
	err := eachTarget(payload, count, func(spec []byte) {
		targets = append(targets, Target{
			Start:  native.Uint64(spec),
			Length: native.Uint64(spec[specLength:]),
			Type:   cString(spec[specType : specType+typeArray]),
			Params: cString(spec[specSize:]),
		})
	})
	return targets, err
}

// eachTarget visits the specs of an answer of count targets, each with its
// text. On the way out, next counts from the start of the payload; on the way
// in, from the spec itself (drivers/md/dm-ioctl.c: retrieve_status,
// next_target).
func eachTarget(payload []byte, count uint32, visit func(spec []byte)) error {
	at := 0
	for i := uint32(0); i < count; i++ {
		if at > len(payload) || len(payload)-at < specSize {
			return fmt.Errorf("device mapper's answer ends before target %d of %d", i+1, count)
		}
		next := int(native.Uint32(payload[at+specNext:]))
		// The last target's end is rounded up beyond the answer's.
		if next > align8(len(payload)) || next < at+specSize {
			return fmt.Errorf("device mapper's answer: target %d of %d ends at byte %d of %d", i+1, count, next, len(payload))
		}
		visit(payload[at:min(next, len(payload))])
		at = next
	}
	return nil
}

// blankParams wipes the parameters of all targets that shown does not name.
func blankParams(payload []byte, count uint32, shown func(target string) bool) error {
	return eachTarget(payload, count, func(spec []byte) {
		if !shown(cString(spec[specType : specType+typeArray])) {
			clear(spec[specSize:])
		}
	})
}

// toInput converts an answer of count targets to the input of a load, in place.
func toInput(payload []byte, count uint32) error {
	return eachTarget(payload, count, func(spec []byte) {
		native.PutUint32(spec[specStatus:], 0)
		native.PutUint32(spec[specNext:], uint32(align8(len(spec))))
	})
}

const nameListHeader = 12 // struct dm_name_list: dev u64, next u32

// decodeDevices reads the list of devices, with their event numbers if the
// kernel is new enough. An empty list has no bytes, or one entry with device
// number 0 (drivers/md/dm-ioctl.c: list_devices).
func decodeDevices(payload []byte, events bool) ([]Listed, error) {
	var list []Listed
	if len(payload) == 0 {
		return nil, nil
	}
	err := eachEntry(payload, nameListHeader, 8, func(entry []byte) {
		dev := native.Uint64(entry)
		if dev == 0 {
			return
		}
		name := cString(entry[nameListHeader:])
		d := Listed{Name: devices.KernelName(name), Dev: decodeDev(dev)}
		// The event number follows the name on the next multiple of 8.
		if at := align8(nameListHeader + len(name) + 1); events && at+4 <= len(entry) {
			d.EventNr, d.HasEventNr = native.Uint32(entry[at:]), true
		}
		list = append(list, d)
	})
	return list, err
}

const versionsHeader = 16 // struct dm_target_versions: next u32, version u32[3]

func decodeVersions(payload []byte) ([]TargetVersion, error) {
	var versions []TargetVersion
	err := eachEntry(payload, versionsHeader, 0, func(entry []byte) {
		versions = append(versions, TargetVersion{
			Name: cString(entry[versionsHeader:]),
			Version: gate.Version{
				Major: native.Uint32(entry[4:]),
				Minor: native.Uint32(entry[8:]),
				Patch: native.Uint32(entry[12:]),
			},
		})
	})
	return versions, err
}

// eachEntry walks a list whose entries hold the distance to the next one, 0 in
// the last. head is an entry's size without its text, nextAt the offset of the
// distance.
func eachEntry(payload []byte, head, nextAt int, visit func(entry []byte)) error {
	for at := 0; ; {
		if len(payload)-at < head {
			return fmt.Errorf("device mapper's list ends within an entry, %s before its end", count.Of(len(payload)-at, "byte"))
		}
		entry := payload[at:]
		next := int(native.Uint32(entry[nextAt:]))
		if next == 0 {
			visit(entry)
			return nil
		}
		if next < head || next > len(entry) {
			return fmt.Errorf("device mapper's list: the next entry is said to be %d bytes on, %d are left", next, len(entry))
		}
		visit(entry[:next])
		at += next
	}
}

// decodeDeps reads the devices that a table uses (struct dm_target_deps).
func decodeDeps(payload []byte) ([]blockdev.DevNo, error) {
	const head = 8
	if len(payload) < head {
		return nil, fmt.Errorf("device mapper's list of dependencies has %d bytes, its header alone has %d", len(payload), head)
	}
	n := uint64(native.Uint32(payload))
	if n > uint64(len(payload)-head)/8 {
		return nil, fmt.Errorf("device mapper's list of %s has only %s", count.Of(n, "dependency", "dependencies"), count.Of(len(payload), "byte"))
	}
	devs := make([]blockdev.DevNo, n)
	for i := range devs {
		devs[i] = decodeDev(native.Uint64(payload[head+8*i:]))
	}
	return devs, nil
}

// encodeMessage returns a message to the target that maps sector.
func encodeMessage(sector uint64, text string) ([]byte, error) {
	if text == "" || strings.IndexByte(text, 0) >= 0 {
		return nil, fmt.Errorf("message %.40q: it is empty or has a zero byte", text)
	}
	buf := make([]byte, 8, 8+len(text)+1)
	native.PutUint64(buf, sector)
	return append(append(buf, text...), 0), nil
}

// encodeRename returns the new name, or UUID, of a rename.
func encodeRename(to string) []byte { return append([]byte(to), 0) }

func align8(n int) int { return (n + 7) &^ 7 }
