package output

// What must not be overwritten: files that a run reads, and files worth
// keeping.

import (
	"encoding/binary"
	"io/fs"
	"os"
	"syscall"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// readFile is a file that the run reads, as it was at the start of the run.
type readFile struct {
	name string // as the user gave it
	info fs.FileInfo
}

// is reports whether info is the same file, or a node of the same device.
func (r readFile) is(info fs.FileInfo) bool {
	return os.SameFile(r.info, info) || sameDevice(r.info, info)
}

// statAll finds the files behind the names, through links, and the files that
// block devices among them consist of.
func statAll(names []string) []readFile {
	var reads []readFile
	for _, name := range names {
		if name == "-" {
			if info, err := os.Stdin.Stat(); err == nil {
				reads = append(reads, readFile{"stdin", info})
			}
			continue
		}
		if name == "" {
			continue
		}
		for _, file := range append(filesBelow(name), name) {
			if info, err := os.Stat(file); err == nil { // the reader will report an error
				reads = append(reads, readFile{name, info})
			}
		}
	}
	return reads
}

// openAsIs opens the file that info describes, and fails if it has been
// replaced.
func openAsIs(dir *os.Root, name string, info fs.FileInfo) (*os.File, error) {
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would block
	if err != nil {
		return nil, err
	}
	if now, err := f.Stat(); err != nil || !os.SameFile(now, info) {
		_ = f.Close()
		return nil, &Refusal{Path: name, Why: "was replaced while it was checked"}
	}
	return f, nil
}

const pngMagic = "\x89PNG\r\n\x1a\n"

// carries names what is worth keeping in a file of size bytes; "" means nothing
// known.
func carries(f *os.File, size int64) (string, error) {
	head := make([]byte, 8)
	n, err := f.ReadAt(head, 0)
	if err != nil && size >= int64(len(head)) {
		return "", err
	}
	switch {
	case n == len(head) && binary.LittleEndian.Uint64(head) == logwrites.Magic:
		return "dm-log-writes", nil
	case string(head[:n]) == pngMagic:
		return "", nil // compressed bytes sometimes look like short magics
	}
	found, err := blockdev.Probe(f, size)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].Type, nil
}
