// Package quick makes tests cheaper. Test packages that check properties, or
// that make and drop many images, import it for that alone. It does not know
// the tests.
package quick

import (
	"flag"
	"runtime/debug"

	"pgregory.net/rapid"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
)

// checks is how often rapid checks a property, unless a flag says otherwise or
// tests do everything that they can.
const checks = "10"

// gcPercent lets the heap grow to five times what lives. Images in tests are
// dropped soon, and collecting them early took more than a third of the time.
const gcPercent = 400

// memoryLimit, in bytes, makes the collector work again before a test machine of
// 512 MiB is full: the kernel of one has killed a test.
const memoryLimit = 192 << 20

func init() {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	if !thorough.All() {
		_ = rapid.Check // that package defines the flag
		if err := flag.Set("rapid.checks", checks); err != nil {
			panic(err)
		}
	}
}
