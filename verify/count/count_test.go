package count

import (
	"math"
	"testing"
)

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

func TestBytes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1 KiB", 1536: "1.50 KiB",
		20 << 10: "20 KiB", 10<<20 + 1<<19: "10.5 MiB", 1<<40 - 1: "1024 GiB", math.MaxUint64: "16 EiB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}
