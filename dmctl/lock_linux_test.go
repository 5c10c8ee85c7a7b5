package dmctl

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFileMapping(t *testing.T) {
	start, end, ok := fileMapping("00400000-00ff0000 r-xp 00000000 fe:01 1234                       /usr/bin/dmsnapctl")
	if !ok || start != 0x400000 || end != 0xff0000 {
		t.Errorf("%x-%x, %v", start, end, ok)
	}
	for _, line := range []string{
		"",
		"c000000000-c000400000 rw-p 00000000 00:00 0 ",
		"7ffc0000-7ffd0000 rw-p 00000000 00:00 0                          [stack]",
		"00400000-00ff0000 ---p 00000000 fe:01 1234                       /usr/bin/dmsnapctl",
		"x-y r-xp 00000000 fe:01 1234 /usr/bin/dmsnapctl",
	} {
		if start, end, ok := fileMapping(line); ok {
			t.Errorf("%q is a file from %x to %x", line, start, end)
		}
	}
}

func TestPopulateFilesNeedsMaps(t *testing.T) {
	if err := populateFiles(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("error %v", err)
	}
}
