package count

import "testing"

func TestOf(t *testing.T) {
	for want, got := range map[string]string{
		"0 chunks":                    Of(0, "chunk"),
		"1 chunk":                     Of(1, "chunk"),
		"2 chunks":                    Of(int64(2), "chunk"),
		"-1 chunks":                   Of(-1, "chunk"),
		"18446744073709551615 chunks": Of(^uint64(0), "chunk"),
		"1 entry":                     Of(1, "entry", "entries"),
		"3 entries":                   Of(3, "entry", "entries"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
