package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseMapping(t *testing.T) {
	const program = "00400000-00ff0000 r-xp 00000000 fe:01 1234                       /usr/bin/dmsnapctl"
	if m, ok := parseMapping(program); !ok || m != (mapping{0x400000, 0xff0000, true}) {
		t.Errorf("%+v, %v", m, ok)
	}
	for _, line := range []string{
		"c0000000-c0400000 rw-p 00000000 00:00 0 ",
		"c0000000-c0400000 rw-p 00000000 00:00 0                      [stack]",
	} {
		if m, ok := parseMapping(line); !ok || m != (mapping{0xc0000000, 0xc0400000, false}) {
			t.Errorf("%q: %+v, %v", line, m, ok)
		}
	}
	for _, line := range []string{
		"",
		"00400000-00ff0000 ---p 00000000 fe:01 1234                       /usr/bin/dmsnapctl",
		"7ffc0000-7ffd0000 r-xp 00000000 00:00 0                          [vdso]",
		"x-y r-xp 00000000 fe:01 1234 /usr/bin/dmsnapctl",
	} {
		if m, ok := parseMapping(line); ok {
			t.Errorf("%q is memory from %x to %x", line, m.start, m.end)
		}
	}
}

func TestMappingsNeedMaps(t *testing.T) {
	if _, err := mappingsIn(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("error %v", err)
	}
}
