package devices

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
)

func TestUnfinishedNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, err := ParseName(rapid.StringMatching(`[a-c \xff]{1,127}`).Draw(t, "name"))
		if err != nil {
			return // too long with its escapes
		}
		u, err := UnfinishedName(n)
		if err != nil || len(u.String()) > wire.MaxName || !strings.HasSuffix(u.String(), NewSuffix) {
			t.Fatalf("%s: %s, %v", n, u, err)
		}
		if again, err := ParseName(u.String()); again != u || err != nil {
			t.Fatalf("%s has half an escape", u)
		}
	})
}
