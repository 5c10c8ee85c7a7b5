// The command crash simulate: a model of the kernel's allocator, crashed at
// random.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const crashSimulateHelp = `   Starts N exceptions in total, with K copies in flight that finish in random
   order, and crashes C times at random points; after each crash but the last the
   store is activated again. A fixed kernel commits exceptions in allocation order
   and never leaks; a leaky one commits them as their copies finish. The same seed
   gives the same result.

EXAMPLES:
   dmsnapctl crash simulate --kernel leaky --exceptions 10000 --in-flight 32
   dmsnapctl crash simulate --kernel leaky --exceptions 10000 --in-flight 64 \
      --crashes 5 --chunk-size 4K --seed 7 --out stores
   dmsnapctl crash simulate --rates rates.svg`

func crashSimulateCommand() *cli.Command {
	return &cli.Command{
		Name:        "simulate",
		Usage:       "crash a model of the kernel's allocator, and measure leaks",
		Description: crashSimulateHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "kernel", Value: string(allocator.Fixed), Usage: "the `KERNEL`: fixed or leaky"},
			&cli.Uint64Flag{Name: "exceptions", Value: 1000, Usage: "start `N` exceptions in total"},
			&cli.IntFlag{Name: "in-flight", Value: 16, Usage: "keep `K` copies in flight"},
			&cli.IntFlag{Name: "crashes", Value: 1, Usage: "crash `C` times"},
			&cli.StringFlag{Name: "chunk-size", Value: "4K", Usage: "the `SIZE` of a chunk"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "the `SEED` of the random numbers"},
			&cli.StringFlag{Name: "out", Usage: "keep the store after each crash in `DIR`, as crash-N.cow"},
			&cli.StringFlag{Name: "rates", Usage: "instead, draw leaked space against copies in flight and chunk size to `FILE.svg`"},
		},
		Action: withArgs("", runCrashSimulate),
	}
}

func runCrashSimulate(c *cli.Context) error {
	o := outputOf(c)
	if path := c.String("rates"); path != "" {
		return drawRates(c, o, path)
	}
	opt, err := simulateOptions(c)
	if err != nil {
		return err
	}
	kept, err := keepStores(c, opt.Crashes)
	if err != nil {
		return err
	}
	if kept != nil {
		opt.Keep = kept.keep
	}
	if o.progress {
		say := sometimes(o)
		opt.Progress = func(started uint64, crashes int) {
			say("%d of %s, %d of %s", started, count.Of(opt.Exceptions, "exception"), crashes, count.Of(opt.Crashes, "crash", "crashes"))
		}
	}
	sim, err := allocator.Simulate(c.Context, opt)
	interrupted := errors.Is(err, context.Canceled) && sim != nil
	if err != nil && !interrupted {
		return err
	}
	if interrupted {
		o.warnf("crash simulate: interrupted after %d of %s; the result covers those", len(sim.Crashes), count.Of(opt.Crashes, "crash", "crashes"))
	}
	switch {
	case o.json:
		err = o.printJSON(simulationJSON{schemaOf(o.command), sim})
	case len(sim.Crashes) > 0:
		err = printSimulation(o, sim)
	default:
		err = nil
	}
	switch {
	case err != nil:
		return err
	case kept != nil && kept.err != nil:
		o.warnf("crash simulate: the stores: %w", kept.err)
		return exitStatus(exitUnknown)
	case interrupted:
		return exitStatus(exitInterrupted)
	case sim.LeakedChunks > 0:
		return exitStatus(exitWarning)
	}
	return nil
}

// simulationJSON is the result as JSON.
type simulationJSON struct {
	Schema string `json:"schema"`
	*allocator.Simulation
}

func simulateOptions(c *cli.Context) (opt allocator.SimulateOptions, err error) {
	if opt.Kernel, err = kernelFlag(c, "kernel", allocator.Fixed, allocator.Leaky); err != nil {
		return opt, err
	}
	size, err := parseSize(c.String("chunk-size"))
	if err != nil {
		return opt, usagef("--chunk-size: %v", err)
	}
	if opt.Chunk, err = cow.ChunkSizeOf(int64(min(size, math.MaxInt64))); err != nil {
		return opt, usagef("--chunk-size: %v", err)
	}
	opt.Exceptions, opt.InFlight, opt.Crashes, opt.Seed = c.Uint64("exceptions"), c.Int("in-flight"), c.Int("crashes"), c.Uint64("seed")
	if err := opt.Check(); err != nil {
		return opt, usagef("crash simulate: %v", err)
	}
	return opt, nil
}

// storesKept is where the stores of a simulation are kept. An error in keeping
// them does not lose the result.
type storesKept struct {
	places []*output.Destination // by crash
	err    error
}

// keepStores reads --out. Each place is checked before the simulation runs.
func keepStores(c *cli.Context, crashes int) (*storesKept, error) {
	dir := c.String("out")
	if dir == "" {
		return nil, nil
	}
	dir = filepath.Clean(dir) // with a slash at its end, a link would be followed

	if info, err := os.Lstat(dir); err == nil && !info.IsDir() { // links are refused too
		return nil, usagef("crash simulate: --out: %s is not a directory", dir)
	}
	kept := &storesKept{places: make([]*output.Destination, crashes)}
	for n := range kept.places {
		var err error
		path := filepath.Join(dir, fmt.Sprintf("crash-%d.cow", n+1))
		if kept.places[n], err = output.To(path, output.Options{Private: true}); err != nil {
			return nil, err
		}
	}
	return kept, os.MkdirAll(dir, 0o777)
}

// keep writes a store of the model to a sparse file.
func (k *storesKept) keep(n int, store io.ReaderAt, size int64) error {
	if k.err == nil {
		k.err = k.places[n].WriteImage(size, func(f *os.File) error { return allocator.WriteMetadata(store, f) })
	}
	return nil
}

func printSimulation(o *console, s *allocator.Simulation) error {
	code := exitFine
	if s.LeakedChunks > 0 {
		code = exitWarning
	}
	_, err := fmt.Fprintf(o.out, "%s: a %s kernel, %s, %d in flight, %s: %s leaked (%s)\n",
		o.colored(code, string(s.Verdict)), s.Kernel, count.Of(s.Exceptions, "exception"), s.InFlight,
		count.Of(len(s.Crashes), "crash", "crashes"), count.Of(s.LeakedChunks, "chunk"), count.Bytes(s.LeakedBytes))
	for i, p := range s.Crashes {
		if err == nil {
			_, err = fmt.Fprintf(o.out, "  crash %d after %s: %d in the store, next free chunk %d, %s leaked so far\n",
				i+1, count.Of(p.Started, "exception"), p.Committed, p.NextFree, count.Of(p.Leaked, "chunk"))
		}
	}
	return err
}

// rateSeeds is the number of crashes that each point of the picture averages.
const rateSeeds = 64

// ratesJSON is the picture's figures as JSON.
type ratesJSON struct {
	Schema string `json:"schema"`
	Out    string `json:"out"`
	*allocator.Rates
}

func drawRates(c *cli.Context, o *console, path string) error {
	to, err := output.To(path, output.Options{})
	if err != nil {
		return err
	}
	points := 0
	say := sometimes(o)
	rates, err := allocator.MeasureRates(c.Context, c.Uint64("seed"), rateSeeds, func(done int) {
		if points = done; o.progress {
			say("%s measured", count.Of(points, "point"))
		}
	})
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("crash simulate: interrupted after %s; %s was not written: %w", count.Of(points, "point"), path, err)
	}
	if err != nil {
		return err
	}
	if o.json {
		err = o.printJSON(ratesJSON{Schema: schemaOf(o.command), Out: path, Rates: rates})
	} else {
		_, err = fmt.Fprintf(o.out, "%s: leaked space against copies in flight and chunk size, each point the mean of %d crashes\n", output.Name(path), rateSeeds)
	}
	if err != nil {
		return err
	}
	if err := to.Write(func(w io.Writer) error { return crash.DrawRates(w, rates) }); err != nil {
		o.warnf("crash simulate: the picture: %w", err)
		return exitStatus(exitUnknown)
	}
	return nil
}
