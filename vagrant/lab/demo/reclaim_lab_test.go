//go:build linux && lab

package demo

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

// reclaimed is the story's disks, and what its snapshot shows.
type reclaimed struct {
	t             *testing.T
	stage         *Stage
	origin, store string
	shows         string // SHA-256
}

// run runs the program as a user would.
func (r reclaimed) run(args ...string) {
	r.t.Helper()
	if out, err := exec.Command(r.stage.tool(), args...).CombinedOutput(); err != nil {
		r.t.Fatalf("dmsnapctl %q: %v\n%s", args, err, out)
	}
}

func (r reclaimed) verify() Report {
	r.t.Helper()
	report, err := r.stage.verify(context.Background(), r.store)
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

// sameImage checks that store and origin show what the snapshot was made of.
func (r reclaimed) sameImage(when string) {
	r.t.Helper()
	image := filepath.Join(r.t.TempDir(), "image")
	r.run("extract", r.store, "--origin", r.origin, "-o", image)
	b, err := os.ReadFile(image)
	if err != nil {
		r.t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != r.shows {
		r.t.Errorf("%s: the image is another one", when)
	}
}

// crashes makes a leaky kernel crash on the same disks several times, and
// returns the chunk of the origin after the last one written to. Verify counts
// what each crash loses.
func (r reclaimed) crashes(leaky Kernel, times int) (next int) {
	r.t.Helper()
	round := scene.Round{Store: scene.Fresh}
	for n := 1; n <= times; n++ {
		tell := func(step scene.Step, text string) { r.t.Logf("crash %d, %s: %s", n, step, text) }
		if err := r.stage.Crash(r.t.Context(), leaky, round, tell); err != nil {
			r.t.Fatalf("crash %d: %v", n, err)
		}
		report := r.verify()
		if report.Verdict != "leaked" || report.Exit != 1 || report.Leaks.Chunks != uint64(n*scene.Stuck) {
			r.t.Errorf("crash %d: %s, %d chunks leaked, exit code %d; want %d", n, report.Verdict, report.Leaks.Chunks, report.Exit, n*scene.Stuck)
		}
		if want := uint64(n * scene.ChunkBytes / 16); report.Usage.Exceptions != want { // whole areas
			r.t.Errorf("crash %d: %d exceptions, want %d", n, report.Usage.Exceptions, want)
		}
		r.sameImage(fmt.Sprintf("crash %d", n))
		round.Origin += scene.Committed + scene.Stuck + scene.Late
		round.Store = int(report.Usage.Allocated) * 512 / scene.ChunkBytes
	}
	return round.Origin
}

// TestWhatThreeCrashesLostIsUsedAgain is the whole story of the leak: a leaky
// kernel, three crashes, verify, which counts the loss, reclaim, which regains
// it, and a stock kernel that fills exactly the regained space.
func TestWhatThreeCrashesLostIsUsedAgain(t *testing.T) {
	const crashes = 3
	stock, leaky, err := Kernels(lab.UML)
	if err != nil {
		t.Fatal(err)
	}
	stage, err := NewStage(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	r := reclaimed{t: t, stage: stage, origin: stage.disk(leaky, "origin"), store: stage.disk(leaky, "cow")}
	origin := make([]byte, scene.OriginBytes)
	noise := rand.NewChaCha8([32]byte{1})
	_, _ = noise.Read(origin)
	r.shows = fmt.Sprintf("%x", sha256.Sum256(origin))
	if err := os.WriteFile(r.origin, origin, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := blank(r.store, scene.COWBytes); err != nil {
		t.Fatal(err)
	}
	next := r.crashes(leaky, crashes)

	before := r.verify()
	r.run("reclaim", r.store, "--yes")
	after := r.verify()
	regained := before.Usage.Allocated - after.Usage.Allocated
	if after.Verdict != "clean" || after.Exit != 0 || regained < crashes*scene.Stuck*scene.ChunkBytes/512 {
		t.Errorf("reclaim leaves a store that is %s, and regains %d sectors", after.Verdict, regained)
	}
	r.sameImage("after reclaim")

	// A device that ends where the leaky store ended has room only for what
	// was regained.
	if err := os.Truncate(r.store, int64(before.Usage.Allocated)*512); err != nil {
		t.Fatal(err)
	}
	filled, shown := r.fill(stock, scene.Round{Origin: next})
	if filled != crashes*scene.Stuck || shown != r.shows {
		t.Errorf("the stock kernel filled %d chunks, want %d; the snapshot is the same: %v", filled, crashes*scene.Stuck, shown == r.shows)
	}
	if end := r.verify(); end.Usage.Allocated != end.Usage.Total || end.Leaks.Chunks != 0 || end.Usage.Exceptions != before.Usage.Exceptions+uint64(filled) {
		t.Errorf("in the end the store is %+v", end)
	}
	r.sameImage("in the end")
}

// fill makes a kernel use the store until it is full.
func (r reclaimed) fill(k Kernel, round scene.Round) (chunks int, shown string) {
	r.t.Helper()
	m := r.stage.machine(k, r.origin, r.store, "fill", words(round)...)
	err := r.stage.run(r.t.Context(), m, func(step scene.Step, text string, _ *lab.Running) {
		switch step {
		case scene.Filled:
			chunks, _ = strconv.Atoi(text)
		case scene.Shown:
			shown = text
		}
	}, func() error { return nil })
	if err != nil {
		r.t.Fatal(err)
	}
	return chunks, shown
}
