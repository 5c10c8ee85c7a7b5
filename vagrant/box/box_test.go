//go:build linux

package box

import (
	"strings"
	"testing"
)

// A box is found again by its recipe.
func TestPlaceFollowsTheRecipe(t *testing.T) {
	t.Setenv("DMSNAPCTL_CACHE", t.TempDir())
	at := map[string]string{}
	for _, more := range [][]string{nil, {"dmsetup"}, {"dmsetup", "lvm2"}} {
		dir, err := place("bookworm", more)
		if err != nil {
			t.Fatal(err)
		}
		again, err := place("bookworm", more)
		if err != nil || again != dir {
			t.Errorf("%v: %s, then %s, error %v", more, dir, again, err)
		}
		if other, ok := at[dir]; ok {
			t.Errorf("%v and %s have the same place", more, other)
		}
		at[dir] = strings.Join(more, " ")
	}
}
