package dmctl

import (
	"context"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
)

// A search for only the common signatures is reported as such.
func TestNoteWithoutBlkid(t *testing.T) {
	for _, without := range []bool{true, false} {
		m := dmtest.New()
		m.NoBlkid = without
		p, err := NewOn(m).PlanCreate(context.Background(), onPlain)
		if err != nil {
			t.Fatal(err)
		}
		said := false
		for _, n := range p.Notes {
			said = said || strings.Contains(n.Text, "blkid is not installed")
		}
		if said != without {
			t.Errorf("without blkid %v: notes %v", without, p.Notes)
		}
	}
}
