package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"math"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// rgbOf are the parts of a colour such as #0f4c81, from 0 to 1.
func rgbOf(t *testing.T, colour string) [3]float64 {
	t.Helper()
	var r, g, b uint8
	if _, err := fmt.Sscanf(colour, "#%02x%02x%02x", &r, &g, &b); err != nil {
		t.Fatalf("%s: %v", colour, err)
	}
	return [3]float64{float64(r) / 255, float64(g) / 255, float64(b) / 255}
}

// relative is the luminance of a colour as WCAG 2 defines it.
func relative(colour [3]float64) float64 {
	linear := func(c float64) float64 {
		if c > 0.04045 {
			return math.Pow((c+0.055)/1.055, 2.4)
		}
		return c / 12.92
	}
	return 0.2126*linear(colour[0]) + 0.7152*linear(colour[1]) + 0.0722*linear(colour[2])
}

// luminance of a colour such as #0f4c81.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	return relative(rgbOf(t, colour))
}

// inverted is what the filter of dark mode makes of a colour: invert(.92), then
// hue-rotate(180deg), whose matrix is in the W3C's Filter Effects.
func inverted(colour [3]float64) (out [3]float64) {
	for i, row := range [3][3]float64{{-0.574, 1.430, 0.144}, {0.426, 0.430, 0.144}, {0.426, 1.430, -0.856}} {
		for j, part := range row {
			out[i] += part * (0.92 - 0.84*colour[j])
		}
		out[i] = min(max(out[i], 0), 1)
	}
	return out
}

// contrast of two colours with each other, as WCAG 2 defines it.
func contrast(a, b [3]float64) float64 {
	light, dark := relative(a), relative(b)
	return (max(light, dark) + 0.05) / (min(light, dark) + 0.05)
}

// Each shape stands out from the page by its fill or its outline, on white and in dark
// mode.
func TestShapesStandOut(t *testing.T) {
	paints := map[string]Paint{"fine": Fine, "lost": Lost, "missing": Missing, "broken": Broken, "corrupt": Corrupt}
	for _, k := range kinds {
		paints[k.name] = k.look.paint()
	}
	for _, few := range []uint64{1, 50, 100} { // the fewer, the paler
		paints[fmt.Sprintf("%d of 100 leaked", few)] = lookOf(verify.Bin{First: 0, End: 100, Leaked: few, Data: 100 - few}).paint()
	}
	white := [3]float64{1, 1, 1}
	for name, p := range paints {
		light, dark := 0.0, 0.0
		for _, colour := range []string{p.Fill, p.Stroke} {
			if colour == "" {
				continue
			}
			c := rgbOf(t, colour)
			light, dark = max(light, contrast(c, white)), max(dark, contrast(inverted(c), inverted(white)))
		}
		if light < 3 || dark < 3 {
			t.Errorf("%s, %+v: a contrast of %.2f with the page, %.2f in dark mode", name, p, light, dark)
		}
	}
}

// A pale cell has its outline in both formats, within the cell.
func TestOutlines(t *testing.T) {
	r := report(t, cowtest.Store{Chunk: 8, DeviceChunks: 20}, Bins)
	var svg, data bytes.Buffer
	if err := errors.Join(SVG(&svg, "s", r), PNG(&data, "s", r)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(svg.String(), `stroke="#888888"`) {
		t.Error("no outline in the SVG")
	}
	m, err := png.Decode(&data)
	if err != nil {
		t.Fatal(err)
	}
	var pale rect
	for _, c := range newScene("s", r).rects {
		if c.look == kinds[free].look && c.w == cell-1 {
			pale = c
			break
		}
	}
	at := func(x, y int) string {
		return hex(color.RGBAModel.Convert(m.At(pale.x+x, pale.y+y)).(color.RGBA))
	}
	if last := pale.w - 1; at(0, 0) != "#888888" || at(last, last) != "#888888" || at(1, 1) != "#e9edf1" || at(last+1, 0) != "#ffffff" {
		t.Errorf("a free cell at %d, %d is %s, %s, %s, and %s beside it", pale.x, pale.y, at(0, 0), at(last, last), at(1, 1), at(last+1, 0))
	}
}

func TestLinesStandOutAndGetLighter(t *testing.T) {
	last := -1.0
	for _, colour := range append(Lines, Grey, Axis) {
		if c := 1.05 / (luminance(t, colour) + 0.05); c < 3 {
			t.Errorf("%s on white: a contrast of %.2f", colour, c)
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
