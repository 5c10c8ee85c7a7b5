// The palette: colours that people with red-green blindness can tell apart.
// They differ in lightness, and each has its hatch, so they also differ in
// grey. A colour that is too pale to stand out from the page has an outline: fill or
// outline has a contrast of 3:1 with white, as WCAG 1.4.11 asks of graphics, and with
// the page of dark mode.

package picture

// What a part of a picture says about its subject, from best to worst. The
// colours are of Okabe and Ito's palette, some of them lightened.
var (
	Fine = Paint{Fill: "#cfe8f7", Stroke: "#4f7f9b"}
	// Lost is space that is lost, nothing else.
	Lost = Paint{Fill: "#e69f00", Hatch: Diagonal, Ink: "#7a5200", Stroke: "#7a5200"}
	// Missing is content that was promised and is not there.
	Missing = Paint{Fill: "#cc79a7", Hatch: Barred, Ink: "#4d1f3a"}
	// Broken is content that is wrong.
	Broken = Paint{Fill: "#cc4f00", Hatch: Crossed, Ink: "#ffd9c2"}
	// Corrupt is structure that is wrong.
	Corrupt = Paint{Fill: "#000000", Hatch: Dotted, Ink: "#ffffff"}
)

// Lines are colours for things of several kinds, none better or worse than
// another, darkest first. Each stands out from white by 3:1, as WCAG 1.4.11 asks
// of graphics.
var Lines = []string{"#000000", "#0f4c81", "#8a2f6b", "#d55e00", "#009e73", "#3a96d0"}

// Colours that express no judgement.
const (
	Black = "#000000"
	Grey  = "#888888"
	Axis  = "#555555"
)
