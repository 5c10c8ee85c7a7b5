package blockdev

// Signatures: the magic numbers of common file systems and volume managers.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// SnapshotStore is the type of a COW store's signature.
const SnapshotStore = "DM_snapshot_cow"

// Signature is a format recognised on a device.
type Signature struct {
	Type   string // libblkid's name, if it has one
	Offset int64  // bytes
}

type magic struct {
	name   string
	offset int64 // bytes; negative: from the end, on a 64 KiB boundary
	bytes  string
}

// The magic numbers are facts of the formats; file(1) and libblkid list them
// too.
var magics = []magic{
	{SnapshotStore, 0, string(binary.LittleEndian.AppendUint32(nil, cow.Magic))},
	{"ext", 0x438, "\x53\xef"},
	{"xfs", 0, "XFSB"},
	{"btrfs", 0x10040, "_BHRfS_M"},
	{"bcache", 0x1018, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"},
	{"bcachefs", 0x1018, "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"},
	{"f2fs", 0x400, "\x10\x20\xf5\xf2"},
	{"erofs", 0x400, "\xe2\xe1\xf5\xe0"},
	{"squashfs", 0, "hsqs"},
	{"reiserfs", 0x10034, "ReIsEr"},
	{"reiserfs", 0x2034, "ReIsEr"},
	{"reiser4", 0x10000, "ReIsEr4"},
	{"ocfs2", 0x2000, "OCFSV2"},
	{"gfs2", 0x10000, "\x01\x16\x19\x70"},
	{"ufs", 0x2000 + 0x55c, "\x54\x19\x01\x00"},
	{"ufs", 0x10000 + 0x55c, "\x19\x01\x54\x19"},
	{"VMFS_volume_member", 1 << 20, "\x0d\xd0\x01\xc0"},
	{"jfs", 0x8000, "JFS1"},
	{"iso9660", 0x8001, "CD001"},
	{"udf", 0x8001, "BEA01"},
	{"ntfs", 3, "NTFS    "},
	{"exfat", 3, "EXFAT   "},
	{"vfat", 54, "FAT1"},
	{"vfat", 82, "FAT32   "},
	{"crypto_LUKS", 0, "LUKS\xba\xbe"},
	{"crypto_LUKS", 0x4000, "SKUL\xba\xbe"},
	{"LVM2_member", 0x000, "LABELONE"},
	{"LVM2_member", 0x200, "LABELONE"},
	{"LVM2_member", 0x400, "LABELONE"},
	{"LVM2_member", 0x600, "LABELONE"},
	{"DM_integrity", 0, "integrt\x00"},
	{"DM_verity_hash", 0, "verity\x00\x00"},
	{"vdo", 0, "dmvdo001"},
	{"swap", 4096 - 10, "SWAPSPACE2"},
	{"swap", 16384 - 10, "SWAPSPACE2"},
	{"swap", 65536 - 10, "SWAPSPACE2"},
	{"swsuspend", 4096 - 10, "S1SUSPEND"},
	{"linux_raid_member", 0, "\xfc\x4e\x2b\xa9"},
	{"linux_raid_member", 4096, "\xfc\x4e\x2b\xa9"},
	{"linux_raid_member", -8192, "\xfc\x4e\x2b\xa9"},
	{"linux_raid_member", -65536, "\xfc\x4e\x2b\xa9"},
	// A pool's first label: the first pair in its list, and an uberblock,
	// which a young pool may not have written yet.
	{"zfs_member", 16<<10 + 20, "\x00\x00\x00\x07version"},
	{"zfs_member", 128 << 10, "\x0c\xb1\xba\x00\x00\x00\x00\x00"},
	{"drbd", -4096 + 60, "\x83\x74\x02"}, // metadata after the data
	{"gpt", 512, "EFI PART"},
	{"gpt", 4096, "EFI PART"},
	{"gpt", -512, "EFI PART"}, // the backup, which remains if the start is zeroed
	{"gpt", -4096, "EFI PART"},
	{"vhd", -512, "conectix"}, // of a fixed size: the disk comes first, its header last
	{"isw_raid_member", -1024, "Intel Raid ISM Cfg Sig. "},
	{"ddf_raid_member", -512, "\xde\x11\xde\x11"},
	{"dos", 510, "\x55\xaa"},
}

// place is the offset of the number on a device of size bytes. From the end it
// is counted in whole units of the format's size.
func (m magic) place(size int64) int64 {
	unit := int64(512)
	switch {
	case m.offset >= 0:
		return m.offset
	case m.offset <= -65536:
		unit = 65536
	case m.offset < -1024:
		unit = 4096
	}
	return size/unit*unit + m.offset
}

// Probe looks for common magic numbers on a device of size bytes. It does not
// know all formats, so ask Blkid too.
func Probe(r io.ReaderAt, size int64) ([]Signature, error) {
	var found []Signature
	for _, m := range magics {
		off := m.place(size)
		if off < 0 || off+int64(len(m.bytes)) > size {
			continue
		}
		buf := make([]byte, len(m.bytes))
		if _, err := r.ReadAt(buf, off); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if bytes.Equal(buf, []byte(m.bytes)) {
			found = append(found, Signature{Type: m.name, Offset: off})
		}
	}
	return found, nil
}

// BlankHead is how many bytes at the start of a device without a signature must
// be zero for the device to count as blank.
const BlankHead = 8 << 10

// Carried says in words what a device of size bytes contains: its first known
// signature, or data if its start is not zero. It returns "" for a blank
// device.
func Carried(r io.ReaderAt, size int64) (string, error) {
	found, err := Probe(r, size)
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return "a signature: " + found[0].Type, nil
	}
	at, err := FirstNonZero(r, min(size, BlankHead))
	if err != nil || at < 0 {
		return "", err
	}
	return fmt.Sprintf("data (byte %d is not zero)", at), nil
}

// FirstNonZero returns the offset of the first nonzero byte in the first n
// bytes of r, or -1 if there is none.
func FirstNonZero(r io.ReaderAt, n int64) (int64, error) {
	bounce := bouncePool.Get().(*[]byte)
	defer bouncePool.Put(bounce)
	piece := *bounce
	for off := int64(0); off < n; off += int64(len(piece)) {
		part := piece[:min(int64(len(piece)), n-off)]
		if got, err := r.ReadAt(part, off); got < len(part) {
			return 0, err
		}
		if i := firstNonZero(part); i >= 0 {
			return off + int64(i), nil
		}
	}
	return -1, nil
}

// IsZero reports whether all bytes are zero.
func IsZero(b []byte) bool { return firstNonZero(b) < 0 }

var zeros [4096]byte

// firstNonZero compares whole pages, which is much faster than single bytes.
func firstNonZero(b []byte) int {
	for at := 0; at < len(b); at += len(zeros) {
		page := b[at:min(at+len(zeros), len(b))]
		if !bytes.Equal(page, zeros[:len(page)]) {
			return at + slices.IndexFunc(page, func(b byte) bool { return b != 0 })
		}
	}
	return -1
}
