//go:build unix

package crash

import (
	"syscall"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// cpuTime is the CPU time that this process has used.
func cpuTime(t *testing.T) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// TestTornOverGarbage: the cost of judging a torn write over garbage grows
// linearly with the chunk, not with its square: for eight times the chunk it
// takes less than 32 times the CPU time.
func TestTornOverGarbage(t *testing.T) {
	largest := cow.Sectors(thorough.Of(512, 2048))
	for _, older := range []bool{true, false}[:thorough.Of(1, 2)] {
		var took []time.Duration
		for _, chunk := range []cow.Sectors{largest / 8, largest} {
			log, opt := garbageLog(t, chunk, older)
			opt.Jobs = 1
			begun := cpuTime(t)
			r := explore(t, log, opt)
			took = append(took, cpuTime(t)-begun)
			t.Logf("older store %v, chunks of %d KiB: %d states, %d corrupt, %v", older, chunk/2, r.States, r.CorruptStates, took[len(took)-1])
			if want := uint64(chunk); r.CorruptStates < want || r.Coverage.SampledEpochs == 0 {
				t.Errorf("%d corrupt states, want at least %d; coverage %+v", r.CorruptStates, want, r.Coverage)
			}
		}
		if took[1] > 32*max(took[0], 10*time.Millisecond) {
			t.Errorf("older store %v: chunks of %d KiB take %v of CPU, of %d KiB %v", older, largest/16, took[0], largest/2, took[1])
		}
	}
}
