package image

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// The format is QEMU's, version 3, as specified in its docs/interop/qcow2.txt.
// All numbers are big-endian.
const (
	qcow2Magic         = 0x514649fb // "QFI\xfb"
	qcow2Version       = 3
	qcow2HeaderBytes   = 104
	refcountOrder      = 4 // counts of 16 bits
	backingExtension   = 0xe2792aca
	copiedFlag         = 1 << 63 // the cluster has a reference count of one
	zeroFlag           = 1       // the cluster reads as zeroes
	mostBackingName    = 1023    // bytes
	mostL1Bytes        = 32 << 20
	mostExtensionBytes = 24 // with the format of the backing file, "raw" or "qcow2"
	leastClusterBytes  = 512
	mostClusterBytes   = 2 << 20
	usualClusterBytes  = 64 << 10
)

// Backing is the image below a qcow2 overlay.
type Backing struct {
	Name   string // absolute, or relative to the overlay's directory
	Format string // "raw" or "qcow2"
}

// WriteQcow2 writes the image as a standalone qcow2 image into a new file.
func (im *Image) WriteQcow2(ctx context.Context, w Sink, progress func(Progress)) error {
	cluster := clusterFor(usualClusterBytes, im.size)
	q, err := newQcow2(w, im.size, cluster, nil)
	if err != nil {
		return err
	}
	return q.copy(ctx, im, im.Data(), newTeller(progress, im.size))
}

// WriteOverlay writes a qcow2 overlay into a new file: the chunks that have
// changed, over a backing image. The bytes come from content or, if it is nil,
// from the image; for example, content may be the origin as it is now.
func (im *Image) WriteOverlay(ctx context.Context, w Sink, backing Backing, content io.ReaderAt, progress func(Progress)) error {
	if len(backing.Name) > mostBackingName || backing.Name == "" {
		return fmt.Errorf("the name of a backing file must have 1 to %d bytes, not %d", mostBackingName, len(backing.Name))
	}
	// QEMU requires the backing file's name in the first cluster.
	cluster := clusterFor(max(im.ChunkBytes(), least(qcow2HeaderBytes+mostExtensionBytes+len(backing.Name))), im.size)
	q, err := newQcow2(w, im.size, cluster, &backing)
	if err != nil {
		return err
	}
	if content == nil {
		content = im
	}
	spans := widened(im.Changed(), cluster, im.size)
	total, err := length(spans)
	if err != nil {
		return err
	}
	return q.copy(ctx, content, spans, newTeller(progress, total))
}

// least is the smallest cluster size that holds n bytes.
func least(n int) int64 {
	cluster := int64(leastClusterBytes)
	for cluster < int64(n) {
		cluster *= 2
	}
	return cluster
}

// clusterFor is the cluster size for an image: the wanted one, unless the
// format does not support it or its first table would exceed QEMU's limit.
func clusterFor(wanted, size int64) int64 {
	cluster := min(max(wanted, leastClusterBytes), mostClusterBytes)
	for cluster < mostClusterBytes && l1Entries(size, cluster)*8 > mostL1Bytes {
		cluster *= 2
	}
	return cluster
}

// l1Entries is the number of tables of cluster/8 clusters each needed to cover
// size bytes.
func l1Entries(size, cluster int64) int64 { return covering(covering(size, cluster), cluster/8) }

// covering is the number of units needed to cover n.
func covering(n, unit int64) int64 { return n/unit + min(1, n%unit) }

// qcow2 writes an image whose clusters come in order.
type qcow2 struct {
	w       Sink
	size    int64
	cluster int64
	backing *Backing
	next    int64    // the next free host cluster
	l1      []uint64 // host offsets of second-level tables
	l2      []uint64 // the current table
	at      int64    // its index; -1 before the first
}

func newQcow2(w Sink, size, cluster int64, backing *Backing) (*qcow2, error) {
	q := &qcow2{w: w, size: size, cluster: cluster, backing: backing, at: -1}
	entries := l1Entries(size, cluster)
	if entries*8 > mostL1Bytes {
		return nil, fmt.Errorf("an image of %d bytes is too large for qcow2", size)
	}
	q.l1, q.l2 = make([]uint64, entries), make([]uint64, cluster/8)
	q.next = 1 // the header's
	return q, nil
}

// copy writes the clusters that spans touch, and the tables.
func (q *qcow2) copy(ctx context.Context, from io.ReaderAt, spans iter.Seq2[Span, error], tell teller) error {
	done := int64(0)
	err := walk(ctx, from, widened(spans, q.cluster, q.size), func(at int64, b []byte) error {
		if err := q.put(at, b); err != nil {
			return err
		}
		done += int64(len(b))
		if q.backing == nil {
			done = at + int64(len(b))
		}
		tell.at(done)
		return nil
	})
	if err != nil {
		return err
	}
	return q.finish()
}

// put writes the clusters at a place of the image. Zero clusters appear only in
// the table or, without a backing image, not at all.
func (q *qcow2) put(at int64, b []byte) error {
	for len(b) > 0 {
		data, end := !blockdev.IsZero(b[:min(q.cluster, int64(len(b)))]), int64(0)
		for end < int64(len(b)) && !blockdev.IsZero(b[end:min(end+q.cluster, int64(len(b)))]) == data {
			end = min(end+q.cluster, int64(len(b)))
		}
		// A run must not cross the end of a table, whose place is after
		// the data it names.
		table := q.cluster / 8 * q.cluster
		end = min(end, table-at%table)
		if err := q.run(at/q.cluster, b[:end], data); err != nil {
			return err
		}
		at, b = at+end, b[end:]
	}
	return nil
}

// run writes clusters starting at first, either all zero or all data.
func (q *qcow2) run(first int64, b []byte, data bool) error {
	n := covering(int64(len(b)), q.cluster)
	if !data && q.backing == nil {
		return nil
	}
	perTable := q.cluster / 8
	if err := q.enter(first / perTable); err != nil {
		return err
	}
	if data {
		if err := writeAt(q.w, b, q.next*q.cluster); err != nil {
			return err
		}
	}
	for i := range n {
		entry := uint64(zeroFlag)
		if data {
			entry = uint64(q.next*q.cluster) | copiedFlag
			q.next++
		}
		q.l2[(first+i)%perTable] = entry
	}
	return nil
}

// enter turns to a second-level table, and writes the previous one.
func (q *qcow2) enter(table int64) error {
	if table == q.at {
		return nil
	}
	if q.at >= 0 {
		if err := q.table(q.l2, q.next*q.cluster); err != nil {
			return err
		}
		q.l1[q.at] = uint64(q.next*q.cluster) | copiedFlag
		q.next++
		clear(q.l2)
	}
	q.at = table
	return nil
}

// table writes 64-bit numbers.
func (q *qcow2) table(entries []uint64, at int64) error {
	b := make([]byte, 0, len(entries)*8)
	for _, e := range entries {
		b = binary.BigEndian.AppendUint64(b, e)
	}
	return writeAt(q.w, b, at)
}

// finish writes the tables, the reference counts and the header.
func (q *qcow2) finish() error {
	if err := q.enter(-1); err != nil {
		return err
	}
	l1 := q.next * q.cluster
	if err := q.table(q.l1, l1); err != nil {
		return err
	}
	q.next += covering(int64(len(q.l1))*8, q.cluster)

	// Blocks of counts count themselves and the table of blocks.
	perBlock := q.cluster * 8 >> refcountOrder
	blocks, tables := int64(0), int64(0)
	for {
		total := q.next + blocks + tables
		b := covering(total, perBlock)
		t := covering(b*8, q.cluster)
		if b == blocks && t == tables {
			break
		}
		blocks, tables = b, t
	}
	refcounts, total := q.next*q.cluster, q.next+blocks+tables
	places := make([]uint64, blocks)
	for i := range places {
		places[i] = uint64(refcounts + (tables+int64(i))*q.cluster)
	}
	if err := q.table(places, refcounts); err != nil {
		return err
	}
	for i, place := range places {
		b := make([]byte, q.cluster)
		for k := range min(perBlock, total-int64(i)*perBlock) {
			binary.BigEndian.PutUint16(b[2*k:], 1)
		}
		if err := writeAt(q.w, b, int64(place)); err != nil {
			return err
		}
	}
	return errors.Join(q.w.Truncate(total*q.cluster), writeAt(q.w, q.header(l1, refcounts, tables), 0))
}

// header is the header with its extensions and the backing image's name.
func (q *qcow2) header(l1, refcounts, tables int64) []byte {
	order := binary.BigEndian
	var extensions, name []byte
	if q.backing != nil {
		name = []byte(q.backing.Name)
		extensions = order.AppendUint32(extensions, backingExtension)
		extensions = order.AppendUint32(extensions, uint32(len(q.backing.Format)))
		extensions = append(extensions, q.backing.Format...)
		for len(extensions)%8 != 0 {
			extensions = append(extensions, 0)
		}
	}
	extensions = append(extensions, make([]byte, 8)...) // the end of the extensions
	nameAt := 0
	if len(name) > 0 {
		nameAt = qcow2HeaderBytes + len(extensions)
	}
	bits := uint32(0)
	for 1<<bits < q.cluster {
		bits++
	}
	var b []byte
	b = order.AppendUint32(b, qcow2Magic)
	b = order.AppendUint32(b, qcow2Version)
	b = order.AppendUint64(b, uint64(nameAt))
	b = order.AppendUint32(b, uint32(len(name)))
	b = order.AppendUint32(b, bits)
	b = order.AppendUint64(b, uint64(q.size))
	b = order.AppendUint32(b, 0) // not encrypted
	b = order.AppendUint32(b, uint32(len(q.l1)))
	b = order.AppendUint64(b, uint64(l1))
	b = order.AppendUint64(b, uint64(refcounts))
	b = order.AppendUint32(b, uint32(tables))
	b = order.AppendUint32(b, 0) // no internal snapshots
	b = order.AppendUint64(b, 0)
	b = order.AppendUint64(b, 0) // incompatible features
	b = order.AppendUint64(b, 0) // compatible features
	b = order.AppendUint64(b, 0) // features that clear themselves
	b = order.AppendUint32(b, refcountOrder)
	b = order.AppendUint32(b, qcow2HeaderBytes)
	return append(append(b, extensions...), name...)
}

// Qcow2Size returns the size of the content of a qcow2 image in bytes, and
// whether it is one: a file that starts like that.
func Qcow2Size(r io.ReaderAt) (bytes uint64, is bool, err error) {
	var b [32]byte
	if err := blockdev.ReadFull(r, b[:], 0); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, false, nil
		}
		return 0, false, err
	}
	return binary.BigEndian.Uint64(b[24:]), binary.BigEndian.Uint32(b[:]) == qcow2Magic, nil
}
