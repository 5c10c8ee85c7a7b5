package installed

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// system builds the files of a machine: contents by path. "-> TARGET" is a
// symbolic link, "@NAME" the file of testdata/modules of that name.
func system(t testing.TB, files map[string]string) *Tree {
	t.Helper()
	m := make(fstest.MapFS)
	for name, content := range files {
		file := &fstest.MapFile{Data: []byte(content), Mode: 0o644}
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			file = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
		} else if fixture, isFixture := strings.CutPrefix(content, "@"); isFixture {
			data, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "modules", fixture))
			if err != nil {
				t.Fatal(err)
			}
			file.Data = data
		}
		m[name] = file
	}
	return NewTree(m)
}

// with returns files with more of them; "" takes one away.
func with(files map[string]string, more ...string) map[string]string {
	all := make(map[string]string)
	for name, content := range files {
		all[name] = content
	}
	for i := 0; i < len(more); i += 2 {
		if all[more[i]] = more[i+1]; more[i+1] == "" {
			delete(all, more[i])
		}
	}
	return all
}

const (
	oldRelease = "6.1.0-9-amd64"
	newRelease = "6.1.0-47-amd64"
)

// debian has an old leaky kernel and a new fixed one, on a merged system.
var debian = map[string]string{
	"lib": "-> usr/lib",
	"usr/lib/modules/" + oldRelease + "/kernel/drivers/md/dm-snapshot.ko": "@amd64-leaky.ko",
	"usr/lib/modules/" + oldRelease + "/modules.dep":                      "kernel/drivers/md/dm-snapshot.ko: kernel/drivers/md/dm-mod.ko\n",
	"usr/lib/modules/" + newRelease + "/kernel/drivers/md/dm-snapshot.ko": "@amd64.ko",
	"usr/lib/modules/" + newRelease + "/modules.dep": "kernel/fs/ext4/ext4.ko:\n" +
		"kernel/drivers/md/dm-other.ko: kernel/drivers/md/dm-snapshot.ko\nkernel/drivers/md/dm-snapshot.ko: kernel/drivers/md/dm-mod.ko\n",
	"boot/vmlinuz-" + oldRelease: "image",
	"boot/vmlinuz-" + newRelease: "image",
}

var (
	fixed = gate.Version{Major: 1, Minor: 16}
	leaky = gate.Version{Major: 1, Minor: 11, Patch: 1}
)
