package picture

import (
	"fmt"
	"math"
	"testing"
)

// luminance of a colour such as #0f4c81, as WCAG 2 defines it.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	var r, g, b uint8
	if _, err := fmt.Sscanf(colour, "#%02x%02x%02x", &r, &g, &b); err != nil {
		t.Fatalf("%s: %v", colour, err)
	}
	linear := func(c uint8) float64 {
		if s := float64(c) / 255; s > 0.04045 {
			return math.Pow((s+0.055)/1.055, 2.4)
		}
		return float64(c) / 255 / 12.92
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

func TestLinesStandOutAndGetLighter(t *testing.T) {
	last := -1.0
	for _, colour := range append(Lines, Grey, Axis) {
		if contrast := 1.05 / (luminance(t, colour) + 0.05); contrast < 3 {
			t.Errorf("%s on white: a contrast of %.2f", colour, contrast)
		}
	}
	for _, colour := range Lines {
		l := luminance(t, colour)
		if l <= last {
			t.Errorf("%s is no lighter than the one before", colour)
		}
		last = l
	}
}
