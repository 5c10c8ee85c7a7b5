// Package cpiotest builds cpio archives of the new ASCII format for tests. Only
// tests import it.
package cpiotest

import (
	"bytes"
	"fmt"
)

// Archive returns an archive of regular files, name and content in turn, with its
// trailer.
func Archive(files ...string) []byte {
	var b bytes.Buffer
	for i := 0; i < len(files); i += 2 {
		Add(&b, files[i], files[i+1], 0o100644, 1)
	}
	Add(&b, "TRAILER!!!", "", 0, 1)
	return b.Bytes()
}

// Add appends one file with its mode and number of links.
func Add(b *bytes.Buffer, name, content string, mode, links uint32) {
	start := b.Len()
	fmt.Fprintf(b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		1, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	b.WriteString(name + "\x00")
	pad(b, start)
	start = b.Len()
	b.WriteString(content)
	pad(b, start)
}

func pad(b *bytes.Buffer, start int) {
	for (b.Len()-start)%4 != 0 {
		b.WriteByte(0)
	}
}
