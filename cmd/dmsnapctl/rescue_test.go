package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestRescue: for each thing that can be wrong, the commands; and after them a
// sound store or an image.
func TestRescue(t *testing.T) {
	b := newToolbox(t)
	if out, _ := b.run(exitFine, "rescue store --origin origin --yes"); !strings.Contains(out, "nothing to rescue") {
		t.Errorf("of a store that is only leaked: %s", out)
	}
	b.run(exitUsage, "rescue store")
	b.run(exitUsage, "rescue store --origin origin -o x --activate y")
	sound := b.read("store")
	for name, damage := range map[string]func([]byte){"stale": staleRecord, "no header": func(s []byte) { clear(s[:16]); s[0] = 1 }} {
		b.write("store", sound)
		b.damage(damage)
		before := b.read("store")
		out, _ := b.run(exitFine, "rescue store --origin origin")
		if !strings.Contains(out, "next: dmsnapctl repair store --yes") || !bytes.Equal(b.read("store"), before) {
			t.Errorf("%s: the plan is %s", name, out)
		}
		b.run(exitFine, "rescue store --origin origin -o image --yes")
		if !bytes.Equal(b.read("image"), b.shows) || !bytes.Equal(b.read("store"), sound) {
			t.Errorf("%s: another image or store", name)
		}
	}
	b.damage(invalidate)
	if out, _ := b.run(exitCritical, "rescue store --origin origin --yes"); !strings.Contains(out, "may have changed") {
		t.Errorf("an origin that may have changed: %s", out)
	}
	b.run(exitWarning, "rescue store --origin origin -o best --yes")
	if !bytes.Equal(b.read("best"), b.shows) {
		t.Error("another image")
	}
	b.run(exitFine, "rescue store --origin origin --origin-unchanged --grow-by 64K -o image --yes --json")
	b.run(exitWarning, "verify store")
	if !bytes.Equal(b.read("image"), b.shows) {
		t.Error("another image")
	}
}
